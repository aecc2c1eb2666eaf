"""What an English word may be a form of, by its ending: enough for how requests are worded, no stemmer of English."""


def bases(word: str, ending: str) -> tuple[str, ...]:
    """Return what ``word``, in lower case, may be without ``ending``; nothing where it does not end so.

    ``removing`` → remov, remove; ``tried`` → tri, trie, try; ``dropped`` → dropp, droppe, drop.
    """
    stem = word.removesuffix(ending)
    if stem == word or len(stem) < len("do"):
        return ()
    found = [stem, f"{stem}e"]
    if stem.endswith("i"):
        found.append(f"{stem[:-1]}y")
    if stem[-1] == stem[-2]:
        found.append(stem[:-1])
    return tuple(found)
