"""Words whose exchange changes what a question asks for, and words whose exchange does not."""

from __future__ import annotations

# kind -> pairs; either word may stand for the other, and the answer changes with it
OPPOSITES: dict[str, tuple[tuple[str, str], ...]] = {
    "antonym": (
        ("enable", "disable"), ("enabled", "disabled"), ("add", "remove"), ("added", "removed"),
        ("install", "uninstall"), ("open", "close"), ("opened", "closed"), ("start", "stop"), ("started", "ended"),
        ("begin", "end"), ("began", "ended"), ("increase", "decrease"), ("increased", "decreased"), ("buy", "sell"),
        ("bought", "sold"), ("import", "export"), ("imports", "exports"), ("won", "lost"), ("win", "lose"),
        ("born", "buried"), ("arrive", "leave"), ("arrived", "left"), ("upload", "download"), ("lock", "unlock"),
        ("show", "hide"), ("accept", "reject"), ("accepted", "rejected"), ("allow", "forbid"), ("allowed", "forbidden"),
        ("joined", "left"), ("created", "destroyed"), ("rise", "fall"), ("rose", "fell"), ("entered", "left"),
        ("appointed", "dismissed"), ("encrypt", "decrypt"), ("encode", "decode"), ("hired", "fired"),
        ("legal", "illegal"), ("public", "private"), ("hot", "cold"), ("wet", "dry"), ("old", "new"),
        ("before", "after"), ("inside", "outside"), ("above", "below"), ("upper", "lower"), ("left", "right"),
        ("front", "back"), ("male", "female"), ("summer", "winter"), ("day", "night"), ("morning", "evening"),
        ("attack", "defend"), ("attacked", "defended"), ("ally", "enemy"), ("arrival", "departure"),
        ("input", "output"),
        ("student", "teacher"), ("buyer", "seller"), ("employer", "employee"), ("hero", "villain"),
    ),
    "relation": (
        ("mother", "father"), ("son", "daughter"), ("brother", "sister"), ("husband", "wife"), ("king", "queen"),
        ("uncle", "aunt"), ("nephew", "niece"), ("actor", "actress"), ("author", "illustrator"),
        ("writer", "director"), ("wrote", "directed"), ("founded", "bought"), ("director", "producer"),
        ("composer", "singer"), ("composed", "sang"), ("birthplace", "deathplace"), ("capital", "largest city"),
        ("president", "vice president"), ("predecessor", "successor"), ("preceded", "succeeded"),
        ("designed", "built"), ("invented", "sold"), ("area", "population"), ("height", "width"), ("length", "depth"),
        ("colour", "size"), ("color", "size"), ("cause", "effect"), ("owner", "tenant"), ("price", "weight"),
        ("captain", "coach"), ("currency", "language"), ("flag", "anthem"), ("symptom", "treatment"),
    ),
    "comparative": (
        ("largest", "smallest"), ("biggest", "smallest"), ("highest", "lowest"), ("longest", "shortest"),
        ("oldest", "youngest"), ("oldest", "newest"), ("first", "last"), ("most", "least"), ("more", "fewer"),
        ("best", "worst"), ("fastest", "slowest"), ("deepest", "shallowest"), ("heaviest", "lightest"),
        ("richest", "poorest"), ("earliest", "latest"), ("hottest", "coldest"), ("tallest", "shortest"),
        ("larger", "smaller"), ("longer", "shorter"), ("higher", "lower"), ("older", "younger"), ("maximum", "minimum"),
        ("majority", "minority"), ("widest", "narrowest"), ("nearest", "farthest"), ("strongest", "weakest"),
        ("second", "third"), ("faster", "slower"), ("earlier", "later"), ("closest", "farthest"), ("top", "bottom"),
    ),
    "unit": (
        ("miles", "kilometres"), ("miles", "kilometers"), ("feet", "metres"), ("feet", "meters"),
        ("inches", "centimetres"), ("pounds", "kilograms"), ("celsius", "fahrenheit"), ("hours", "minutes"),
        ("minutes", "seconds"), ("days", "weeks"), ("months", "years"), ("dollars", "euros"), ("litres", "gallons"),
        ("grams", "ounces"), ("acres", "hectares"), ("percent", "degrees"), ("weeks", "months"), ("pounds", "dollars"),
        ("megabytes", "gigabytes"), ("volts", "watts"),
    ),
    "asked": (
        ("when did", "where did"), ("when was", "where was"), ("when is", "where is"), ("when were", "where were"),
        ("who was", "when was"), ("why did", "when did"), ("why was", "where was"), ("how did", "when did"),
        ("what year", "what place"), ("which country", "which year"), ("what city", "what year"),
        ("how long", "how often"), ("how far", "how fast"), ("how old", "how tall"), ("how many", "which"),
    ),
    "tense": (
        ("will", "did"), ("does", "did"), ("is now", "used to be"), ("current", "former"), ("currently", "previously"),
        ("next", "previous"), ("today", "originally"), ("now", "formerly"), ("nowadays", "in the past"),
        ("who is the current", "who was the previous"), ("will be", "was"), ("upcoming", "past"), ("future", "past"),
    ),
}  # fmt: skip

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

MONTHS: tuple[str, ...] = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
