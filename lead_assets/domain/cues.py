"""Cues: tables of words that say what somebody wants, and pure functions that look for them in a text.

A cue has a weight, hints and a pattern (an expression). Hints are plain strings, one of which is part of every text
that the pattern matches: looking for them costs next to nothing and rules nearly every text out. Patterns
and hints are matched against text folded by ``fold`` (lower case, straight quotes, no URLs). Weights of the cues found
are combined as independent hints, ``1 - product(1 - weight)``, so that several weak cues make a strong one and nothing
exceeds 1. The weights are coarse on purpose (0.2 to 0.8); they were set by reading, not fitted.

Every pattern takes linear time: repetitions are bounded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from ahocorasick_rs import AhoCorasick

HEAD_CHARACTERS = 1_500
TAIL_CHARACTERS = 500
TITLE_CHARACTERS = 300
"""Reddit's own limit of a title."""
BODY_SHARE = 0.5
"""A cue in the body weighs half of one in the title, because long bodies mention everything in passing."""


@dataclass(frozen=True)
class Cue:
    """Words that hint at something: ``weight`` (0..1), ``hints`` and ``expression`` as the module says."""

    weight: float
    hints: tuple[str, ...]
    expression: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The expression, compiled where a text is looked through: most commands look through none."""
        return re.compile(self.expression)


class CueTable:
    """Cues that say the same. Their hints are looked for all at once, which takes a tenth of the time of each alone."""

    def __init__(self, *cues: Cue) -> None:
        self._cues = cues

    def __iter__(self) -> Iterator[Cue]:
        return iter(self._cues)

    @cached_property
    def _hints(self) -> tuple[AhoCorasick, list[list[int]]]:
        """What finds hints, and for each of them the places of its cues."""
        places: dict[str, list[int]] = {}
        for place, cue in enumerate(self._cues):
            for hint in cue.hints:
                places.setdefault(hint, []).append(place)
        return AhoCorasick(list(places)), list(places.values())

    def found_in(self, folded: str) -> list[Cue]:
        """The cues that the folded text shows, in their order."""
        automaton, places_of = self._hints
        hints = {hint for hint, _, _ in automaton.find_matches_as_indexes(folded, overlapping=True)}
        hinted = {place for hint in hints for place in places_of[hint]}
        return [self._cues[place] for place in sorted(hinted) if self._cues[place].pattern.search(folded)]


def _cue(weight: float, hints: str, *alternatives: str) -> Cue:
    """A cue of alternatives that each begin a word, with its hints parted by commas."""
    # Folded words follow a space. To search for that literal is five times as fast as trying every word boundary.
    return Cue(weight, tuple(hints.split(",")), f" (?:{'|'.join(alternatives)})")


def _opening(weight: float, hints: str, *alternatives: str) -> Cue:
    """A cue with which the text begins."""
    return Cue(weight, tuple(hints.split(",")), f"^ (?:{'|'.join(alternatives)})")


def _words(most: int) -> str:
    return rf"(?:[\w'/&+.-]{{1,24}},? ){{0,{most}}}"


_ANYONE = r"(?:any ?one|any ?body|someone|somebody|any of you|you guys|you|y'?all)"
_PEOPLE = r"(?:you guys|your?|y'?all|u|people|others|folks|everyone|everybody|(?:other|most) \w{1,20})"
_PRODUCT = (
    r"(?:apps?|software|tools?|programs?|systems?|services?|platforms?|solutions?|suites?|packages?|plug-?ins?|"
    r"providers?|vendors?|companies|products?|options?|one)\b"
)
"""What products are called; ``named`` puts "software" behind what a certain product is called."""
_BUYING = (
    r"(?:us(?:e|ed|ing)|recommend|suggest|prefer|lik(?:e|ing)|go(?:ing)? (?:with|for)|rely(?:ing)? on|get|pick|choose|"
    r"chose|buy|pay(?:ing)? for|switch(?:ing)? to|mov(?:e|ing) to|do(?:ing)? for)\b"
)
_I = r"(?:i|we)(?:'m|'re| am| are| have| 've|'ve)?(?: also| really| now| currently| just| recently| finally)?"
_THING = r"(?:app|software|tool|program|system|service|platform|solution|provider)\b"


def _thing_for(thing: str) -> str:
    """A title that is nothing but what is wanted: "Tool to manage clients". Who tells of several has a list."""
    return (
        r"(?!(?:how|why|when|what|which|who|the|my|our|your|this|these|that|i|we|it|free|new|introducing|every|no|not|"
        r"\d{1,4}) )(?:(?:an?|one|some|any) )?"
        r"(?:(?!(?:for|of|on|about|to|in|by|with|from|as) )\w[\w'-]{0,20} ){0,3}"
        rf"{thing} (?:for|to|that|which|where|with)\b"
    )


_NOT_BUYING = (
    r"(?!(?:\w{1,12} ){0,2}(?:work|jobs?|clients|customers|projects|gigs?|feedback|testers|beta|employment|"
    r"opportunit|investors|internship|co-?founder|partners))"
)

ASKING = CueTable(
    # for a recommendation
    _cue(
        0.6,
        "recommend,suggest",
        r"(?:any|some|your|need|want|seeking|for|few|appreciate|has)(?: \w{1,15}){0,2} "
        r"(?:recommendation|suggestion)s?\b",
        r"(?:recommendation|suggestion)s?\b[^.!?]{0,80}\?",
        r"(?:can|could) [\w/' ]{1,30} (?:recommend|suggest)\b",
    ),
    _cue(
        0.6,
        "recommend,suggest,point,aware,know",
        _ANYONE
        + r"(?: here| else| please| possibly)? (?:recommend|suggest|point me|aware of|knows? (?:of|an?|any|some))\b",
    ),
    _cue(
        0.5,
        "us,tried,experience,stumble,came",
        _ANYONE + r"(?: here| else| have| has| ever| had| currently| tried){0,3} "
        r"(?:us(?:e|ed|ing)|tried|experience|stumble|came across)\b",
    ),
    _cue(
        0.6,
        "what,which",
        rf"(?:what|which) {_words(6)}(?:do|does|are|is|would|should|did) {_PEOPLE} {_words(3)}{_BUYING}",
        rf"(?:what|which) {_words(3)}(?:do|are) {_words(4)}us(?:e|ing) (?:for|as|these|nowadays)\b",
    ),
    _cue(
        0.5,
        "which,what,has,have,got",
        rf"(?:which|what) {_words(2)}{_THING} (?:for|should|would|can|do (?:i|we)|does an?)\b",
        rf"{_ANYONE} (?:here )?(?:has|have|got) an? {_words(3)}{_THING}",
    ),
    _cue(
        0.4,
        "who ,who',what",
        rf"who (?:do|does|would|should) {_PEOPLE}\b",
        r"who uses\b",
        rf"(?:what|who)(?:'s| is) your (?:favou?rite|go[- ]to|preferred|current|choice|setup|{_words(2)}{_PRODUCT})",
    ),
    _cue(
        0.4,
        "how",
        rf"how (?:do|does|are|is) {_PEOPLE} {_words(3)}(?:manag|track|keep|handl|organi[sz]|deal)",
        rf"how (?:do|does|are|is) {_PEOPLE} (?:all )?"
        r"(?:do(?:ing)? (?:it|this|that|the|your)|run(?:ning)?|bill(?:ing)?|schedul\w{1,3})\b",
    ),
    _cue(
        0.5,
        "what",
        rf"what(?:'s| is| are|s)? (?:(?:the|an?|some|your) )?{_words(2)}"
        r"(?:best|good|better|favou?rite|cheapest|easiest|simplest|options?|alternatives?)\b",
    ),
    _opening(0.6, "recommend,suggest", r"(?:recommendation|suggestion)s?\b"),
    _opening(
        0.3,
        "best,good,cheap,free,simple,easy,affordable,decent",
        r"(?:(?:the|an?|any) )?(?:best|good|cheap|free|simple|easy|affordable|decent)\b[^.!]{0,120}\?",
    ),
    _cue(0.5, "there", rf"is there (?:an?|any|some|something|anything|{_PRODUCT})\b", r"are there any\b"),
    _opening(
        0.5,
        "app,software,tool,program,system,service,platform,solution,provider",
        _thing_for(_THING),
    ),
    # looking and needing
    _cue(
        0.6,
        "look,search,hunting,shopping,seeking",
        r"(?:look(?:ing)?|search(?:ing)?|hunting|shopping|seeking) (?:around )?(?:for|at getting|into getting) "
        + _NOT_BUYING,
    ),
    _cue(0.6, "market for", r"in the market for\b"),
    _cue(0.4, "looking to", r"looking to (?:buy|find|get|start|switch|set ?up|host|move|replace|improve)\b"),
    _opening(
        0.5,
        "alternative",
        r"(?:(?:an?|any|some|good|best|cheap\w{0,3}|free|simple\w?) ){0,2}alternatives? (?:to|for)\b",
    ),
    _cue(0.5, "worth", r"worth \$\d"),
    Cue(
        0.3,
        ("need", "want", "seeking"),
        r"\w[,;:.] (?:need|needing|want|wanting|seeking) (?!to |you |it |this )",
    ),
    _cue(
        0.5,
        "need,want,seek,like,love,require,after",
        r"(?:i'd|we'd|i would|we would) (?:really |also )?(?:like|love) (?:an?|one|some(?:one|thing)?)\b",
        r"(?:i'm|we're|i am|we are) after (?:an?|some|something)\b",
        r"(?<! do )"  # "do I need a ticket" wants to know
        + _I
        + r" (?:need|want|seek|require|would like) (?:an?|some(?:one|thing)?|"
        r"to (?:find|hire|buy|get|build|create|make|have|switch|start|set ?up|redesign|redo))\b",
    ),
    _opening(
        0.4,
        "need,want,seek",
        r"(?:\[[^\]]{1,20}\] ?)?(?:i )?(?:need|needed|want|wanted|seeking|in need of)\b",
    ),
    _cue(
        0.5,
        "help",
        r"help (?:me |us )?(?:with )?(?:choos|pick|decid|find|select)",
        r"help with (?:creating|building|making|setting up)",
    ),
    _cue(
        0.4,
        "choos,decid,choice,pick,select,compar",
        r"(?:choos|decid|choice|pick|select|compar)\w{0,5} (?:between|a|an|the|from|on|which)\b",
    ),
    _cue(
        0.4,
        "alternative,replace,something,anything",
        r"alternatives? (?:to|for)\b",
        r"replace(?:ment)? (?:for|our|my)\b",
        r"(?:something|anything) (?:like|similar|better|simple|that)\b",
    ),
    _cue(
        0.3,
        "worth,vs,versus,which",
        r"worth (?:it|the|\$)",
        r"(?:vs\.?|versus)\b",
        r"which (?:one|is|would|should)\b",
    ),
    # for somebody's work
    _cue(
        0.6,
        "hir,who",
        r"(?:looking to|need to|want(?:ing)? to|trying to|would like to|thinking of) hir(?:e|ing)\b",
        r"who can (?:build|design|make|create|help|do|set)\b",
    ),
    _cue(0.5, "hiring ],hiring]", r"\[ ?hiring ?\]"),
    _cue(0.4, "fee,quote,portfolio,rates,me", r"(?:flat fee|quotes?|portfolio|your rates?|pm me|message me)\b"),
    # dissatisfied
    _cue(
        0.3,
        "outgr,tired of,sick of,fed up,happy with,frustrat,too ,consuming,enough of",
        r"(?:outgr(?:own|ew|ow|owing)|fed up|tired of|sick of|had enough of|not (?:\w{1,12} )?happy with|"
        r"frustrat\w{0,4}|time[- ]consuming)\b",
        r"too (?:\w{1,12} )?(?:expensive|complicated|buggy|slow|much work)\b",
    ),
    _cue(0.3, "switch,mov", r"switch(?:ed|ing)? (?:from|to|away|over)\b", r"mov(?:e|ing) (?:away from|off|on from)\b"),
    _cue(
        0.4,
        "keep up,keep track,drown,track,slip,fall,crack,by hand,mess,chaos,monster,nightmare,no ,nobody knows,to stop,"
        "out of hand,too ,isn't enough",
        r"(?:can't|cannot|can not|couldn't|hard to|struggling to|unable to) (?:\w{1,12} )?keep (?:up|track)\b",
        r"drowning\b",
        r"(?:losing|lose|lost) track\b",
        r"(?:keeps?|things|everything|deadlines|clients|leads|invoices|appointments) (?:\w{1,12} )?"
        r"(?:slip|fall)\w{0,4}\b",
        r"through the cracks\b",
        r"by hand\b",
        r"(?:is|are|become|became|total|complete|absolute) (?:an? )?(?:mess|chaos|monster|nightmare)\b",
        r"(?:and|with|have|has|having|got) no (?:\w{1,12} )?(?:system|process|software|tool|backups?|way to)\b",
        r"nobody knows\b",
        r"(?:want|need|like|trying|have|time) to stop (?:us|do)ing\b",
        r"(?:getting|gets|got|gone) (?:out of hand|too big|too much)\b",
        r"isn't enough\b",
    ),
    _cue(
        0.4,
        "same,following,did you,answer to",
        r"same (?:boat|question|problem|issue|situation|here|thing)\b",
        r"following (?:this|because|for|along)\b",
        r"did (?:you|op) (?:ever|end up) (?:find|settl|choos|pick|decid)",
        r"(?:love|like|interested in|curious about) an answer\b",
    ),
    _cue(
        0.3,
        "pay,spend,budget,under,price,open to",
        r"(?:i'd|we'd|i would|we would|willing to|happy to|gladly|afford to) (?:\w{1,12} )?(?:pay|spend)\b",
        r"budget (?:is|of|up|around|about|under|max|:|\$|\d)",
        r"(?:price (?:hike|increase)|(?:doubled|raised|tripled) (?:\w{1,12} ){0,2}prices?)\b",
        r"open to (?:any|all|suggest|recommend|ideas|other)",
    ),
    # politely
    _cue(
        0.3,
        "any",
        r"any (?:\w{1,12} )?(?:ideas?|thoughts|advice|experiences?|opinions?|help|input|insight|pointers)\b",
    ),
    _cue(
        0.3,
        "help,advice,guidance,input",
        r"(?:need|want|looking for|seeking|some|please|could use) (?:\w{1,12} ){0,2}(?:help|advice|guidance|input)\b",
        r"help(?: me)? please\b",
    ),
    _cue(
        0.2,
        "thank,appreciated",
        r"thanks? (?:you )?(?:so much )?in advance\b",
        r"would be (?:much |greatly |very )?appreciated\b",
    ),
    Cue(0.2, ("?",), r"\?"),
)
"""Somebody asks for a product, a service, or help in choosing."""

NAMED = CueTable(
    _cue(0.3, "how ", r"how (?:to|do i|do we|can i|can we|should i|should we) [^.!?]{1,100}\?"),
    _cue(
        0.5,
        "which,what,any,one ",
        # for a product by what such things are called
        rf"(?:which|what(?:'s)?(?: an?)?) (?!(?:one|is|are|the|your?|i|we) ){_words(2)}{_PRODUCT}",
        rf"any {_words(3)}{_PRODUCT}[^.!?]{{0,100}}\?",
        rf"any(?: of)? {_words(3)}{_PRODUCT} (?:that|which|who|for|to|out there)\b",
        rf"{_ANYONE} (?:here )?(?:has|have|got|with|using|found|run|running) (?:an?|any|some|the) ",
        r"(?:what|anything)(?:'s| is| else is) out there\b",
        r"any \w{1,15} (?:here )?(?:found|using|uses?)\b",
    ),
    _opening(0.4, "software", _thing_for("software")),
    _cue(
        0.4,
        "what,which",
        rf"(?:what|which) {_words(6)}(?:do|does|are|would|did) {_words(4)}"
        r"(?:use|using|recommend|pay for|switching to)\b",
    ),
    _cue(
        0.5,
        "need,should,worth,use,where",
        rf"(?:do|does|would|will|should|did) (?:i|we|you|anyone|a|an|my) {_words(3)}"
        rf"(?:need|get|buy|pay for) {_words(4)}{_PRODUCT}",
        rf"is {_words(3)}{_PRODUCT} {_words(2)}worth\b",
        r"(?:what|which) [^.!?]{0,40}(?:should|can|could) (?:i|we) (?:use|get|buy|start with|switch to|move to|try)\b",
        r"where (?:do|should|can|would) (?:i|we|you) (?:go|start|look|(?:find|get|buy) " + _NOT_BUYING + r"\w)",
    ),
    _cue(
        0.6,
        "need,want,like,love,after,seeking,look,search,use",
        r"(?:need|want|wanted|(?:i'm|we're|am|are) after|seeking|search of|could use|looking (?:for|at)|"
        r"(?:i'd|we'd|would) (?:like|love|prefer)) "
        rf"(?:an?|some|any|one|something|the right) {_words(3)}(?:way|place|{_PRODUCT})",
    ),
)
"""Somebody asks for a thing by what it is called: look for these where the thing is named (``Naming``)."""

SELLING = CueTable(
    # offering
    _cue(0.8, "hire", r"\[ ?for hire ?\]", r"(?:available|freelancer?|developer|designer) for hire\b"),
    _cue(
        0.6,
        "build,design,make,create,do,develop,write,set,help,review",
        r"(?:i|we)(?:'ll| will| can| would love to| would be happy to) "
        r"(?:build|(?:re)?design|make|create|do|develop|write|set ?up|help|review) (?:you|an?\b|it\b|websites?|logos?)",
    ),
    _cue(
        0.6,
        "offer,provide,speciali,sell,service,rate,portfolio,clients",
        r"(?:i|we) (?:offer|provide|speciali[sz]e|sell)\b",
        r"(?:my|our) (?:services?|rates?|portfolio|clients include)\b(?!.{0,40}\?)",
    ),
    _cue(
        0.5,
        "free ,free,% off,code,sign,offering,giving away,ours,mine,our,first",
        r"free (?:consultation|accounts?|trial|quote|website review|for the first)\b",
        r"\d{1,2}% off\b",
        r"(?:promo|coupon|discount) codes?\b",
        r"sign[- ]?ups? (?:at|here|for|now|are open|today)\b",
        r"(?:try|use|check) (?:ours|mine|our|it (?:for )?free)\b",
        r"free for (?:\d{1,3}|the first|one|a|your)\b",
        r"first (?:day|week|month|\d{1,4}|year) (?:\w{1,12} )?(?:is |are |get |gets )?(?:on us|free|\d)",
        r"offering\b",
        r"giving away\b",
    ),
    _cue(
        0.5,
        "beta,early access,launch, live",
        r"beta[- ]?test(?:ers?|ing)?\b",
        r"early access\b",
        r"launch(?:ed|ing)? (?:my|our|an?|today|soon|on)\b",
        r"(?:now|is|are|we're|went) live\b",
    ),
    # a need named only to answer it
    _opening(
        0.8,
        "?",
        r"(?:looking for|need|want|tired of|sick of|fed up with|struggling with|drowning in)\b[^?!.]{1,100}\? "
        r"(?:try|meet|introducing|check|use|get|let (?:us|me)|look no further|say |dm|pm|message|contact|call|email|"
        r"my |our |(?:i|we)(?:'ve|'ll|'re| have| can| will| are| offer| build| make| built| made| do)\b)",
    ),
    # showing
    _cue(
        0.6,
        "made,built,created,wrote,coded,developed,designed,launched,released,published,sourced,put,compiled",
        _I + r" (?:made|built|created|wrote (?:an?|this|about|up)|coded|developed|designed|launched|released|published|"
        r"open[- ]sourced|put together|compiled)\b",
    ),
    _cue(
        0.5,
        "check,introducing,announcing,presenting,show",
        r"(?:check (?:it |us |them )?out|introducing|announcing|presenting|show(?:ing)? off|show hn|showoff)\b",
    ),
    _cue(
        0.5,
        "feedback,thoughts,opinion,criti,review,think,look,survey,questionnaire,thesis,research",
        r"(?:feedback|thoughts|opinions?|critique|criticism|review)\b.{0,30}\b(?:on|about|of|for) (?:my|our)\b",
        r"what do you (?:guys )?think (?:of|about) (?:my|our|this|the)\b",
        r"review my\b",
        r"(?:survey|questionnaire|my (?:thesis|research))\b",
        r"how does it look\b",
    ),
    _cue(
        0.5,
        "my,our",
        r"(?:my|our) (?:very )?(?:new|first|latest|side|open[- ]source) (?:\w{1,15} ){0,2}"
        r"(?:app|site|website|project|product|startup|game|tool|blog|book|landing|course|software|platform)\b",
    ),
    _cue(
        0.5,
        "founder,developer,maker,creator,startup,saas,company's,kickstarter",
        r"(?:i'm|i am) (?:an? |the )?(?:co-?)?(?:founder|developer|maker|creator) (?:of|behind)\b",
        r"(?:my|our) (?:startup|saas|company's (?:product|app))\b",
        r"kickstarter\b",
    ),
    # teaching and telling
    _cue(0.8, "in this", r"in this (?:guide|article|video|tutorial|episode|post,? (?:i|we|you))\b"),
    _opening(
        0.5,
        "how,why,1,2,3,4,5,6,7,8,9",
        r"(?:how (?:to|i|we)|why (?:you|we|i)|the \d{1,3}|"
        r"\d{1,3} (?:[\w-]{1,20} ){0,3}(?:ways?|tips|tricks|tools|apps|things|reasons|steps?|lessons|mistakes|rules|"
        r"habits|ideas|examples|resources|sites|books|secrets|signs|questions|facts|features|plugins|templates)|"
        r"\d{1,3} (?!year|month|week|day|people|employee|page|client)\w{1,30} (?:for|to|that|every|you))\b"
        r"(?!.{0,300}\?)",
    ),
    _cue(
        0.5,
        "tutorial,walkthrough,by step,by-step,case study,cheat,infographic,podcast,lesson,crash course,screencast,"
        "episode,part ,round,compilation,toolbox,have to",
        r"(?:tutorial|walkthrough|step[- ]by[- ]step|case study|cheat ?sheet|infographic|podcast|crash course|"
        r"screencast|episode|part (?:\d|one|two)|round-?up|compilation|toolbox)\b",
        r"lessons? (?:i|we|learned)\b",
        r"so (?:that )?you don't have to\b",
    ),
    _cue(
        0.4,
        " guide,read more,tips,tricks,list of,resource,here",
        r"read more\b",
        r"(?:an?|the|my|quick|complete|ultimate|beginner'?s?) guide\b",
        r"(?:tips|tricks) (?:for|to|on|and|from)\b",
        r"list of\b",
        r"resources? (?:for|i)\b",
        r"here(?:'s| is| are) (?:how|what|why|my|an?|the|some)\b",
    ),
    _cue(0.4, "ama,me anything,psa,update],[x", r"(?:ama|ask me anything|psa)\b", r"\[?update\]", r"\[x-?post"),
    _cue(
        0.3,
        "learned,realized,discovered,found,my,thank",
        r"(?:i|we) (?:learned|realized|discovered|found out)\b",
        r"my (?:story|experience|journey)\b",
        r"thank(?:s| you) (?:to )?(?:/?r/|reddit)",
    ),
    # employing
    _cue(
        0.5,
        "full,part,salary,benefits,401k,insurance,equal,experience,competitive,join our,internship,job ,resume,apply,"
        "position",
        r"(?:full[- ]time (?:position|role|job|employee|opening|remote)|salary|benefits package|401k|health insurance|"
        r"equal opportunity|internship|position)\b",
        r"\[?(?:full|part)[- ]time\]",
        r"years?'? (?:of )?experience\b",
        r"competitive (?:pay|salary|compensation)\b",
        r"join our (?:team|company)\b",
        r"job (?:opening|description|listing|opportunity)\b",
        r"send (?:us )?(?:your )?resumes?\b",
        r"apply (?:now|at|here|today)\b",
    ),
)
"""Somebody sells, shows, teaches or employs."""

_URL = re.compile(r"(?:https?://|\bwww\.)[^\s)\]>\"']{1,2000}")
_QUOTED = re.compile(r"^ {0,3}>[^\n]*", re.MULTILINE)
_TALKED_ABOUT = re.compile(
    '["\u201c][^"\u201c\u201d\n]{1,300}\\?["\u201d]'
    r"(?= +(?:is|are|was|were|gets?|has been|posts?|questions?|threads?)\b)"
)
"""A quoted question of which something is said: whoever talks about asking does not ask."""
_FENCED = re.compile(r"^ {0,3}```[^\n]*\n(?:(?! {0,3}```)[^\n]*(?:\n|\Z))*+(?: {0,3}```[^\n]*)?", re.MULTILINE)
_INDENTED = re.compile(r"^(?: {4}|\t)[^\n]*", re.MULTILINE)
_PLAIN: tuple[tuple[str, str], ...] = (
    *((mark, "'") for mark in "\u2018\u2019"),
    *((mark, " - ") for mark in "\u2013\u2014"),
    *((mark, " ") for mark in '(*_~>#|"\u201c\u201d\u2026'),
)
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ud800-\udfff]")
"""Characters without width, which would hide a word that they stand in, and lone surrogates, which are none."""


def fold(text: str) -> str:
    """The text as cues are looked for in it: lower case, no URLs, straight apostrophes, markup and opening brackets
    turned to spaces, a single space before every word, the first included."""
    folded = text.lower()
    if "http" in folded or "www." in folded:
        folded = _URL.sub(" ", folded)
    # Eleven replacements take a tenth of the time of one str.translate.
    for mark, plain in _PLAIN:
        folded = folded.replace(mark, plain)
    if not folded.isascii():
        folded = _INVISIBLE.sub("", folded)
    return f" {' '.join(folded.split())}"


def strength(cues: CueTable, folded: str, share: float = 1.0) -> float:
    """How strongly a folded text shows ``cues``: ``1 - product(1 - share * weight)`` over those found; 0..1."""
    missing = 1.0
    for cue in cues.found_in(folded):
        missing *= 1.0 - share * cue.weight
    return 1.0 - missing


def asking_cue(title: str, body: str) -> float:
    """How strongly the words say that somebody asks for a product, a service or help in choosing: 0..1."""
    return combined(ASKING, *folded_parts(title, body))


def selling_cue(title: str, body: str) -> float:
    """How strongly the words say that somebody sells, shows, teaches or employs: 0..1."""
    return combined(SELLING, *folded_parts(title, body))


def folded_parts(title: str, body: str) -> tuple[str, str]:
    """The folded title and the folded part of the body where people say what they want.

    A comment has no title: it says what it wants where it begins, so that its beginning counts as one.
    """
    head, body = fold(title), own_words(body)
    if not head.strip():
        head, body = fold(body[:TITLE_CHARACTERS]), body[TITLE_CHARACTERS:]
    return head, fold(opening_and_end(body))


def own_words(body: str) -> str:
    """A body without what its author quotes (lines that begin with ``>``) and without code, as Markdown writes them.

    Somebody else's question is none of the author's, a question in quotation marks that is only talked about neither,
    and code asks for nothing. A body of nothing else has no words.
    """
    if ">" in body:
        body = _QUOTED.sub("", body)
    if '?"' in body or "?\u201d" in body:
        body = _TALKED_ABOUT.sub("", body)
    if "```" in body:
        body = _FENCED.sub("\n", body)
    return _INDENTED.sub("", body) if "\n    " in f"\n{body}" or "\t" in body else body


def combined(cues: CueTable, title: str, body: str) -> float:
    """How strongly a folded title and a folded body together show ``cues``: 0..1."""
    return 1.0 - (1.0 - strength(cues, title)) * (1.0 - strength(cues, body, BODY_SHARE))


def opening_and_end(body: str, head: int = HEAD_CHARACTERS, tail: int = TAIL_CHARACTERS) -> str:
    """The parts of a body where people say what they want: its first and its last characters, cut between words."""
    if len(body) <= head + tail:
        return body
    # A part without any space cannot be cut between words and is left out.
    opening, end = body[:head].rsplit(None, 1), body[-tail:].split(None, 1)
    return f"{opening[0] if len(opening) > 1 else ''}\n{end[1] if len(end) > 1 else ''}"


# What a reader copies from a document.

URGENCY_HIGH = re.compile(
    r"\b(?:asap|a\.s\.a\.p|urgent(?:ly)?|right away|immediate(?:ly)?|as soon as possible|emergency|tomorrow|tonight|"
    r"this week|by (?:today|monday|tuesday|wednesday|thursday|friday|the weekend))\b"
)
URGENCY_MEDIUM = re.compile(
    r"\b(?:soon|next (?:week|month)|this month|deadline|quickly|in the next (?:few )?\w{1,10}|"
    r"within (?:an?|the|\d{1,3}) \w{1,10}|"
    r"by (?:the end of|january|february|march|april|may|june|july|august|september|october|november|december))\b"
)
URGENCY_LOW = re.compile(
    r"\b(?:no (?:rush|hurry)|eventually|some ?day|down the road|in the future|not (?:urgent|in a hurry)|just curious|"
    r"next year)\b"
)


def urgency(folded: str) -> Literal["high", "medium", "low", "none"]:
    """How soon by the words of a folded text; that there is no rush outweighs the rest."""
    if URGENCY_LOW.search(folded):
        return "low"
    if URGENCY_HIGH.search(folded):
        return "high"
    return "medium" if URGENCY_MEDIUM.search(folded) else "none"


_AMOUNT = r"\d[\d,.]{0,12}k?\b"
_MONEY = re.compile(
    rf"(?:[$€£] ?{_AMOUNT}(?: ?(?:-|to) ?[$€£]?{_AMOUNT})?|\b{_AMOUNT} ?(?:usd|eur|gbp|dollars?|euros?|pounds|bucks)\b)"
    r"(?: ?(?:/|per|an?) ?(?:month|mo|year|yr|hour|hr|user|seat|week|page|project)\b){0,2}",
    re.IGNORECASE,
)
_PAYING = re.compile(
    r"\b(?:budget|pay|paying|spend|afford|price|cost|fee|rate|up to|max|maximum|under|less than|around|offer)\b"
)
_NEAR_MONEY = 60
_AMOUNTS_READ = 20


def budget(text: str) -> str | None:
    """The first amount of money with a word about paying within 60 characters, verbatim; None where there is none."""
    for count, match in enumerate(_MONEY.finditer(text)):
        near = text[max(0, match.start() - _NEAR_MONEY) : match.end() + _NEAR_MONEY]
        if _PAYING.search(near.lower()):
            return match.group()
        if count >= _AMOUNTS_READ:
            break
    return None


_CONTACTS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("@",), re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")),
    (
        tuple("23456789"),
        re.compile(r"[+(\d](?<![\w.$€£/+-].)(?:(?<=\d)\d\d[ .-]|[\d (.-]{3,8}[) .-]{1,2})\d{3}[ .-]\d{4}(?![\w-])"),
    ),
    (("u/",), re.compile(r"(?<![\w/])/?u/[A-Za-z0-9_-]{3,20}(?![\w-])")),
    (
        ("me", "ME", "Me"),
        re.compile(
            r"\b(?:[Pp]lease )?(?:[PpDd][Mm]|[Mm]essage|[Ee]-?mail|[Ii]nbox|[Cc]ontact|[Tt]ext|[Cc]all) [Mm][Ee]\b|"
            r"\b[Ss]end me an? (?:[PpDd][Mm]|message|e-?mail)\b"
        ),
    ),
    (
        ("http",),
        re.compile(
            r"\b(?:contact|reach|find|hit) (?:me|us)\b[^.\n]{0,60}?(https?://[^\s)\]>\"']{4,500})", re.IGNORECASE
        ),
    ),
)
MOST_CONTACTS = 10


def contacts(text: str) -> list[str]:
    """Ways to reach the author as written in ``text``, each once, at most ``MOST_CONTACTS``: mail, phone, user name,
    a request for a message, and a link given as contact."""
    found: dict[str, None] = {}
    for hints, pattern in _CONTACTS:
        if not any(hint in text for hint in hints):
            continue
        for match in pattern.finditer(text):
            found.setdefault(match.group(match.lastindex or 0).rstrip(".,;"))
            if len(found) >= MOST_CONTACTS:
                return list(found)
    return list(found)


HIRING = re.compile(
    r"\[ ?hiring ?\]|\b(?:now hiring|we(?:'re| are) hiring|(?:looking|want|need|trying) (?:for someone )?to hire)\b"
)
COMPARING = re.compile(
    r"\b(?:vs|versus|compar\w{1,6}|or should i|which (?:one|is|of)|better than|worth (?:it|the))\b|\bworth \$"
)
SWITCHING = re.compile(
    r"\b(?:switch\w{0,3} (?:from|to|away|over)|alternatives? to|replac\w{1,6}|outgrown|mov(?:e|ing) away from|"
    r"not happy with|get rid of)\b"
)
RECOMMENDING = re.compile(
    r"\b(?:recommend\w{0,7}|suggest\w{0,5}|looking for|is there an?|best|good|anyone|anybody|"
    r"(?:i|we) need (?:an?|some\w{0,5})|what(?: \w{1,15}){0,3} (?:do|does|is|are)(?: \w{1,15}){1,4} us(?:e|ing))\b"
)

MAX_SENTENCE_CHARACTERS = 300
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+|(?<=[\u3002\uff01\uff1f])")


def sentences(text: str) -> list[str]:
    """The sentences of ``text`` in order, verbatim, each cut between words at about 300 characters.

    What has no space in so many characters is no sentence.
    """
    found: list[str] = []
    for part in _SENTENCE_END.split(text):
        sentence = part.strip()
        if len(sentence) > MAX_SENTENCE_CHARACTERS:
            words = sentence[:MAX_SENTENCE_CHARACTERS].rsplit(None, 1)
            sentence = words[0] if len(words) > 1 else ""
        if sentence:
            found.append(sentence)
    return found


# What a product is, by its own words.

SERVICE = re.compile(
    r"\b(?:agenc(?:y|ies)|services?|consult\w{0,6}|studios?|contractors?|firm|lawyers?|accountants?|designs|builds|"
    r"develops|coach\w{0,4}|tutor\w{0,4}|repairs|installs)\b"
)
"""A product that is somebody's work, so that who hires is a buyer."""

_WORD = re.compile(r"[^\W_]{2,30}")
_ENDINGS = ("ants", "ant", "ations", "ation", "ings", "ing", "ers", "ies", "er", "es", "ed", "s", "e", "y")


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A lower-case word without its ending ("invoicing" and "invoices" agree); never shorter than 3 letters."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def stems(text: str) -> frozenset[str]:
    """The stems of all words in ``text``."""
    return frozenset(map(stem, _WORD.findall(text.lower())))


_CLAUSE_END = re.compile(r"[.:;!?]| (?:for|that|which|who|to|with|from|by|in|of|where|-) ")
_LISTED = re.compile(r",|/|&| and | or ")


@dataclass(frozen=True)
class Naming:
    """What a product is called ("CRM", "invoicing", "project management"), read from the first clause of what is said
    of it: the last word of each item listed there, words such as "software" aside."""

    stems: frozenset[str]
    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, product: str) -> "Naming":
        """The names in ``product``, which says what is sold and for whom; there may be none."""
        names = [
            name for item in _LISTED.split(_CLAUSE_END.split(fold(product), maxsplit=1)[0]) if (name := _name(item))
        ]
        endings = "|".join(_ENDINGS)
        written = "|".join(r"[ -]".join(re.escape(stem(word)) for word in name) for name in names)
        pattern = re.compile(rf" (?:{written})(?:{endings})?\b") if names else None
        return cls(frozenset(stem(word) for name in names for word in name), pattern)

    def marked(self, folded: str) -> str:
        """A folded text with "software" behind every name, so that cues find by it what the text asks for."""
        return self.pattern.sub(r"\g<0> software", folded) if self.pattern else folded

    def occurs_in(self, folded: str) -> bool:
        """Whether a folded text calls the product by a name."""
        return self.pattern is not None and self.pattern.search(folded) is not None


def _name(item: str) -> tuple[str, ...]:
    words = _WORD.findall(item)
    while words and stem(words[-1]) in _KINDS:
        words.pop()
    if not words or stem(words[-1]) not in GENERIC_STEMS:
        return tuple(words[-1:])
    return tuple(words[-2:]) if len(words) > 1 and stem(words[-2]) not in GENERIC_STEMS else ()


GENERIC_STEMS: frozenset[str] = stems(
    "in of to or is it we an on by at and the for with that who which from into your our their its are can all you "
    "they this not but has have will small large business company team people freelancer startup owner simple easy "
    "online best good new help make tool software app service product platform solution system manage management "
    "one two ten place set up out get take day week month year minute hour time"
)
"""Words that say for whom or of what kind, not what a product is."""
_KINDS: frozenset[str] = stems(
    "tool software app service product platform solution system program suite package firm agency company studio"
)
