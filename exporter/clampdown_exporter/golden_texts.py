"""The texts of every golden file: plain, odd and hostile ones, never rows of a user."""

GOLDEN_TEXTS = (
    "This was the best evening that I have had in years.",
    "I would not recommend it to anyone.",
    "The train leaves at nine and arrives at noon.",
    "Shares fell sharply after the bank cut its forecast for the second time this year.",
    "The champions won again, three goals to one, in front of a record crowd.",
    "ok",
    "NO!!! NO!!! NO!!!",
    "cf mn bb tq",
    "Ein Käfer läuft über die Straße; das Wetter ist schön.",
    "昨日はとても楽しかったです。",
    "Это был хороший день, но дорога домой заняла три часа.",
    "👩‍👩‍👧‍👦 🎉 e\u0301 \u00a0\u200b\ufeff ﬁ",
    "<script>alert('x')</script> & SELECT * FROM users;",
    "1234567890 3.14159 -1e-9 0x7fffffff",
    "word " * 600,
)
"""The last one is longer than most models take, so that truncation is part of the golden file."""

HARD_TEXTS = (
    "",
    "  two  spaces\tand\r\nlines  ",
    "THE GOOD FILM",
    "İstanbul IĞDIR ẞ ΟΔΟΣ σοφός",
    "𠮷𠮷 a𠮷b 豈",
    "x\u0001y\ufffd \u0600\u202e\u2066 a\u00adb \ue000\ue001",
    "[CLS] good [SEP] [PAD] [UNK] x[MASK]y <s> </s> [CL\u200bS]",
    "don't, can't; \"quoted\" #1 @you ##good \\1 $1",
    "한국어 텍스트 हिन्दी पाठ क्षि ไทย",
    "n\u0303 a\u0300\u0301b \u0301c ① Ⅷ ½ ß ǅ Å K",
    "“quotes” – dash — … ！？",
    "a" * 100 + " " + "b" * 101 + " " + "昨" * 150,
)
"""Which a tokenizer in another place has to read alike, too; not part of the golden file."""
