import { fork } from "node:child_process";
import { once } from "node:events";

/** After which a mutant hangs; the slowest that comes to an end takes a second. */
const SECONDS = 20;
/** MiB of JavaScript's values: more is a crash. */
const MEMORY = 1024;

/** Runs mutants one after the other in a process of their own, and begins another when it ends. */
export class Runner {
  #worker;
  /** What the process of the last mutant wrote to standard error. */
  errors = "";

  /** What comes of a folder: `kind` is accepted, refused, other, crash or hang. */
  async attempt(folder) {
    this.#worker ??= await this.#start();
    this.errors = "";
    const worker = this.#worker;
    const waiting = new AbortController();
    const { signal } = waiting;
    const timer = setTimeout(() => waiting.abort(), SECONDS * 1000);
    worker.send(folder);
    try {
      const [result] = await Promise.race([
        once(worker, "message", { signal }),
        once(worker, "exit", { signal }).then(([code, name]) => [
          { kind: "crash", detail: `${name ?? `status ${code}`}: ${this.errors.slice(-1000)}` },
        ]),
      ]);
      if (result.kind === "crash") this.#worker = undefined;
      return result;
    } catch {
      await this.stop();
      return { kind: "hang", detail: `more than ${SECONDS} s` };
    } finally {
      clearTimeout(timer);
      waiting.abort();
    }
  }

  async stop() {
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker === undefined || worker.exitCode !== null) return;
    worker.kill("SIGKILL");
    await once(worker, "exit");
  }

  async #start() {
    const worker = fork(new URL("worker.js", import.meta.url), {
      execArgv: [`--max-old-space-size=${MEMORY}`],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    worker.stderr.on("data", (data) => (this.errors += data));
    await once(worker, "message");
    return worker;
  }
}
