"""Verbs that begin a request, and other forms of them."""

from greenloop.mining.inflection import bases

_VERBS = frozenset(
    """
    abort accept adapt add adjust align allow amend annotate append apply assert assume attach avoid backport batch
    bind break bring cache call canonicalize cap catch change check choose clarify clean clear clone close collapse
    combine compare compile complete compute configure connect consider consolidate convert copy correct count cover
    create cut debug declare decode decouple deduplicate default defer define delay delete deprecate derive describe
    detach detect disable disallow discard display distinguish divide do document don't drop duplicate eliminate
    embed emit enable encode enforce enhance ensure escape evaluate exclude expand export expose extend extract
    factor fall fill filter find fix flatten flip flush fold follow forbid force format forward generalise
    generalize generate get give group guard handle hide highlight hoist honor honour ignore implement import
    improve include increase increment indent infer inform inherit initialise initialize inline insert inspect
    install instantiate instrument integrate introduce invert isolate iterate join keep kill let lift limit link
    list load localise localize lock log loosen lower make map mark mask match memoize mention migrate mirror model
    modernize modify monitor move multiply name narrow negate normalise normalize note notify number omit open
    optimise optimize order organise organize output overload override pad parallelize parameterise parameterize
    parse pass patch permit pick polish populate port postpone precompute prefer prefix prepare prepend preserve
    prevent print privatize process produce prohibit promote propagate protect provide prune pull push put quote
    raise read realign rearrange rebuild recognise recognize recompute record recover redirect reduce refactor
    refine reformat refresh refuse register reimplement reinstate reject relax reload relocate rely remove rename
    render reorder reorganise reorganize repair repeat replace report reproduce request require reset resolve
    respect restore restrict restructure retain rethrow retry return reuse revise rework rewrite rollback rotate
    round route run sanitise sanitize save scale scan schedule select send separate serialise serialize set shift
    shorten show shrink shuffle silence simplify skip sort specialise specialize specify split stabilize standardise
    standardize start stop store stream strengthen strip structure substitute subtract support suppress swap switch
    synchronise synchronize tag take teach terminate test throw tidy tighten trace track transform translate trigger
    trim truncate try turn tweak type unbreak undo unescape unify uninstall unlock unquote unwrap update upgrade use
    validate verify wait warn widen wire wrap write
    """.split()  # noqa: SIM905 - words read best as words
)
_IRREGULAR = {
    "broke": "break", "brought": "bring", "caught": "catch", "chose": "choose", "did": "do", "does": "do",
    "found": "find", "gave": "give", "got": "get", "kept": "keep", "made": "make", "sent": "send", "shown": "show",
    "stopped": "stop", "taught": "teach", "took": "take", "threw": "throw", "undid": "undo", "wrote": "write",
    "rewrote": "rewrite", "rewritten": "rewrite", "written": "write", "ran": "run", "chosen": "choose", "hid": "hide",
}  # fmt: skip
_ENDINGS = ("s", "es", "ed", "d", "ing")


def imperative(word: str) -> str:
    """Return the imperative of a verb that may begin a request: ``add`` for ``Adds``; empty for any other word."""
    lower = word.lower()
    found = lower if lower in _VERBS else _IRREGULAR.get(lower, "")
    if not found:
        found = next((base for ending in _ENDINGS for base in bases(lower, ending) if base in _VERBS), "")
    return found if found != lower else word
