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
