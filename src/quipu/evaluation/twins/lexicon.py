"""Words whose exchange does not change what a question asks for; verbs, places and months for the rules."""

from __future__ import annotations

# either word may stand for the other, and nothing changes
SYNONYMS: tuple[tuple[str, str], ...] = (
    ("start", "begin"), ("started", "began"), ("big", "large"), ("biggest", "largest"), ("located", "situated"),
    ("country", "nation"), ("countries", "nations"), ("movie", "film"), ("movies", "films"), ("bought", "purchased"),
    ("buy", "purchase"), ("built", "constructed"), ("kids", "children"), ("called", "named"), ("called", "known as"),
    ("die", "pass away"), ("died", "passed away"), ("show", "display"), ("get", "obtain"), ("got", "received"),
    ("make", "produce"), ("made", "produced"), ("wrote", "authored"), ("lived", "resided"), ("live", "reside"),
    ("city", "town"), ("street", "road"), ("car", "automobile"), ("picture", "image"), ("job", "occupation"),
    ("happen", "take place"), ("happened", "took place"), ("occur", "happen"), ("occurred", "happened"),
    ("helped", "assisted"), ("help", "assist"), ("use", "employ"), ("used", "employed"), ("kind", "type"),
    ("sort", "kind"), ("famous", "well-known"), ("quick", "fast"), ("beat", "defeated"), ("wed", "married"),
    ("earth", "world"), ("people", "persons"), ("answer", "reply"), ("end", "finish"), ("ended", "finished"),
    ("turn on", "switch on"), ("turn off", "switch off"), ("set up", "configure"), ("delete", "erase"),
    ("founded", "established"), ("discover", "find"), ("choose", "select"), ("chosen", "selected"),
    ("needs", "requires"), ("need", "require"), ("initial", "first"), ("final", "last"), ("amount", "quantity"),
    ("permit", "allow"), ("permitted", "allowed"), ("tv", "television"), ("u.s.", "united states"),
    ("uk", "united kingdom"), ("author", "writer"), ("song", "tune"), ("ocean", "sea"), ("king", "monarch"),
    ("physician", "doctor"), ("attorney", "lawyer"), ("war", "conflict"), ("rock", "stone"), ("student", "pupil"),
)  # fmt: skip

# participle -> (past tense, the one who did it)
MAKERS: dict[str, tuple[str, str]] = {
    "written": ("wrote", "author"), "directed": ("directed", "director"), "invented": ("invented", "inventor"),
    "founded": ("founded", "founder"), "painted": ("painted", "painter"), "composed": ("composed", "composer"),
    "discovered": ("discovered", "discoverer"), "designed": ("designed", "designer"), "built": ("built", "builder"),
    "created": ("created", "creator"), "produced": ("produced", "producer"), "developed": ("developed", "developer"),
    "published": ("published", "publisher"), "sung": ("sang", "singer"), "owned": ("owned", "owner"),
    "led": ("led", "leader"), "ruled": ("ruled", "ruler"), "edited": ("edited", "editor"),
    "translated": ("translated", "translator"), "narrated": ("narrated", "narrator"), "won": ("won", "winner"),
    "killed": ("killed", "killer"), "played": ("played", "player"), "hosted": ("hosted", "host"),
}  # fmt: skip

# verbs that one does to the other: past tense -> infinitive; who did it to whom is the question
ROLES: dict[str, str] = {
    "beat": "beat", "defeated": "defeat", "married": "marry", "killed": "kill", "succeeded": "succeed",
    "replaced": "replace", "taught": "teach", "betrayed": "betray", "attacked": "attack", "sued": "sue",
    "invaded": "invade", "acquired": "acquire", "bought": "buy", "followed": "follow", "influenced": "influence",
    "raised": "raise", "murdered": "murder", "hired": "hire", "paid": "pay", "visited": "visit", "saved": "save",
    "conquered": "conquer", "criticised": "criticise", "criticized": "criticize", "supported": "support",
    "nominated": "nominate", "appointed": "appoint", "chased": "chase", "loved": "love", "trained": "train",
}  # fmt: skip

PLACES: tuple[str, ...] = (
    "France", "Germany", "Italy", "Spain", "Portugal", "Belgium", "Austria", "Poland", "Sweden", "Norway",
    "Denmark", "Finland", "Greece", "Turkey", "Egypt", "Kenya", "Nigeria", "Ghana", "Ethiopia", "Morocco", "India",
    "China", "Japan", "Korea", "Vietnam", "Thailand", "Indonesia", "Australia", "Canada", "Mexico", "Brazil",
    "Argentina", "Chile", "Peru", "Colombia", "Cuba", "Russia", "Ukraine", "Hungary", "Romania", "Bulgaria",
    "Serbia", "Croatia", "Ireland", "Scotland", "Wales", "England", "Iceland", "Iran", "Iraq", "Israel", "Lebanon",
    "Pakistan", "Bangladesh", "London", "Paris", "Berlin", "Rome", "Madrid", "Lisbon", "Brussels", "Vienna",
    "Warsaw", "Stockholm", "Oslo", "Copenhagen", "Helsinki", "Athens", "Istanbul", "Cairo", "Nairobi", "Lagos",
    "Delhi", "Mumbai", "Beijing", "Shanghai", "Tokyo", "Seoul", "Hanoi", "Bangkok", "Jakarta", "Sydney",
    "Melbourne", "Toronto", "Montreal", "Chicago", "Boston", "Houston", "Dallas", "Seattle", "Denver", "Atlanta",
    "Miami", "Philadelphia", "Texas", "California", "Florida", "Ohio", "Georgia", "Virginia", "Alaska", "Oregon",
    "Europe", "Asia", "Africa", "Moscow", "Kyiv", "Budapest", "Bucharest", "Sofia", "Belgrade", "Zagreb", "Dublin",
    "Edinburgh", "Cardiff", "Liverpool", "Manchester", "Birmingham", "Leeds",
)  # fmt: skip
