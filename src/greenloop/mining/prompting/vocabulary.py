"""English that needs no evidence: words with which people ask for changes, and that name nothing in a project.

A closed list on purpose. A word that stands neither here nor in the edit, its context or the error is taken for a name
of something that is not there: that refuses some good answers of a model, and the rules' prompt stands in their place.
"""

from greenloop.mining.inflection import bases
from greenloop.mining.prompting.form import FUNCTION_WORDS, ORDERS

_OTHERS = """
about above across after again all along already also although always and another any anymore anything argument around
as at away back bad because before behind being below best better between body both branch break broken build but by
call caller cannot case cause certain change clear clearly code come compile compiler complain completely condition
consistent contain context correctly current currently declaration definition describe diff different directly done
down each edit either else enough error even ever every everything exactly exist existing expect expected explain
expression fail failing failure far few file first fit follow following for from full fully function further good
green happen help helper here how however if implementation import in input inside instead interface into issue just
keep know known last later least left less like likely line literal little long longer lot main many match maybe mean
mention method mistake module more most mostly much name need needed new next no none nor not nothing now obvious
obviously of off old on once one only onto operator or order other otherwise out output over own parameter parenthesis
part pass place please point possible prefer previous problem program project properly quick quickly rather reason red
related relevant remain report require required result return right same say second seem separate several short should
show side signature similar simple simply since slightly small smaller so some somehow something somewhere soon source
statement still stop such suggest sure symbol test than thank thanks them then they thing think though through thus
time to together token too tool toward treat two under unexpected until up usage used using usual value variable
version very via want way well what whatever when where whether which while who whole why with within without wonder
work working wrong yet
""".split()  # noqa: SIM905 - a list of so many quoted words is harder to read
_ENDINGS = ("'s", "s", "es", "ed", "d", "ing", "ly")
VOCABULARY: frozenset[str] = FUNCTION_WORDS | ORDERS | frozenset(_OTHERS)


def stems(word: str) -> tuple[str, ...]:
    """Return ``word`` in lower case and what it may be a form of: ``fixes`` → fixes, fixe, fix, and so on."""
    small = word.lower()
    found = (base for ending in _ENDINGS for base in bases(small, ending))
    return tuple(dict.fromkeys((small, *found)))
