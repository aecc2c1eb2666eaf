"""English that needs no evidence: words with which people ask for changes, and that name nothing in a project.

A closed list on purpose. A word that stands neither here nor in the edit, its context or the error is taken for a name
of something that is not there: that refuses some good answers of a model, and the rules' prompt stands in their place.
"""

from greenloop.mining.prompting.form import FUNCTION_WORDS, ORDERS

_OTHERS = """
about above across after again all along already also although always and another any anymore anything around as at
away back bad because before behind being below best better between both break broken but by cannot case cause
certain clear clearly come compile compiler complain completely consistent contain correctly current currently
cause describe different directly done down each either else enough error even ever every everything exactly exist
existing expect expected explain fail failing failure far few first fit follow following for from full fully further
good green happen help here how however if in inside instead into issue just keep know known last later least left less like
likely little long longer lot main many match maybe mean mention mistake more most mostly much need needed new next no
none nor not nothing now obvious obviously of off old on once one only onto or order other otherwise out over own
part pass place please point possible prefer previous problem properly quick quickly rather reason red related
relevant remain report require required right same say second seem separate several short should show side similar
simple simply since slightly small smaller so some something somehow somewhere soon still stop such suggest sure
than thank thanks them then they thing think though through thus time to together too tool toward treat two under
unexpected until up used using usual very via want way well what whatever when where whether which while who whole why
with within without wonder work working wrong yet
argument body branch broken build call caller change code compile condition context declaration definition
diff edit expression file function helper implementation import input interface line literal method
module name operator output parameter parenthesis place program project result return signature source statement
symbol test token usage value variable version
""".split()  # noqa: SIM905 - a list of so many quoted words is harder to read
VOCABULARY: frozenset[str] = FUNCTION_WORDS | ORDERS | frozenset(_OTHERS)


def stems(word: str) -> tuple[str, ...]:
    """Return ``word`` in lower case and what it may be a form of: ``fixes`` → fixe, fix; ``dropping`` → dropp, drop."""
    small = word.lower()
    found = [small]
    for ending in ("'s", "s", "es", "ed", "d", "ing", "ly"):
        stem = small.removesuffix(ending)
        if stem != small and len(stem) > 1:
            found += [stem, f"{stem}e"]
            found += [stem[:-1]] if stem[-1:] == stem[-2:-1] else []
    return tuple(dict.fromkeys(found))
