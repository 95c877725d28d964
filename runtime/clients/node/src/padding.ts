import type { InputName, Padding } from "./manifest.js";

/** One input of the graph: int64, row after row, of the shape `dims`. */
export interface PaddedInput {
  readonly name: InputName;
  readonly data: BigInt64Array<ArrayBuffer>;
  readonly dims: [rows: number, tokens: number];
}

/**
 * Fills rows of token ids up to the longest of them.
 *
 * @param types the token types of each row, as many as it has ids; all zeros where left out.
 */
export function padBatch(
  rows: readonly (readonly number[])[],
  padding: Padding,
  inputs: readonly InputName[],
  types?: readonly (readonly number[])[],
): PaddedInput[] {
  const width = Math.max(...rows.map((row) => row.length));
  // What the tokens of a row get, and what fills it up.
  const values = {
    input_ids: { token: (index: number, place: number) => rows[index]![place]!, fill: padding.token_id },
    attention_mask: { token: () => 1, fill: 0 },
    token_type_ids: {
      token: (index: number, place: number) => types?.[index]?.[place] ?? 0,
      fill: padding.type_id,
    },
  };
  return inputs.map((name) => {
    const { token, fill } = values[name];
    const data = new BigInt64Array(rows.length * width).fill(BigInt(fill));
    rows.forEach((row, index) => {
      const start = index * width + (padding.side === "right" ? 0 : width - row.length);
      row.forEach((_, place) => (data[start + place] = BigInt(token(index, place))));
    });
    return { name, data, dims: [rows.length, width] };
  });
}
