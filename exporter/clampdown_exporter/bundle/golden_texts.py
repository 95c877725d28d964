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

GOLDEN_PAIRS = (
    *zip(GOLDEN_TEXTS, (*GOLDEN_TEXTS[1:], GOLDEN_TEXTS[0]), strict=True),
    (GOLDEN_TEXTS[-1], GOLDEN_TEXTS[-1]),
)
"""Those of a model of pairs: the long text is the first one, the second one, and both."""

HARD_TEXTS = (
    "",
    "  two  spaces\tand\r\nlines\vand\fpages\u00a0\u2003\u3000\u2028\u2029\u0085\u180e ",
    "THE GOOD FILM",
    "A naïve CAFÉ, a résumé; E\u0301COLE n\u0303 a\u0300\u0301b \u0301x",
    "İstanbul IĞDIR ẞ ß ǅ ǆ Å K Ω ΟΔΟΣ σοφός",
    "𠮷𠮷 a𠮷b 一a丁 \uf900",
    "한국어 텍스트 \u1112\u1161\u11ab हिन्दी पाठ क्षि ไทย தமிழ் עִבְרִית العَرَبِيَّة",
    "x\u0001y\ufffd z\ue000\ue001\U000f0000 \u0600\u202e\u2066 a\u00adb\u2060",
    "[CLS] good [SEP] [PAD] [UNK] x[MASK]y <s> </s> [CL\u200bS] [[SEP]] [cls]",
    "don't, can't; \"quoted\" #1 @you ##good good##x ## \\1 $1 [a-z]*",
    "“quotes” – dash — … ！？ ¿qué? «x»",
    "① Ⅷ ½ ² ª ﬃ \U0001d400bc 👍🏽 🇩🇪 ☺\ufe0f 1\ufe0f\u20e3",
    "\u1234\u0378 \U0001fbf0 \U00010400\U00010428 \ua64a",
    "a" * 100 + " " + "b" * 101 + " " + "昨" * 150 + " " + "é" * 201,
    "the film, " * 700,
)
"""Which a tokenizer in another place has to read alike, too; not part of the golden file."""
