"""Numbers for prose that only EdgeJSON has: schemas, decisions about fields, comparisons."""

from collections.abc import Iterable, Mapping

from slmlib.core import io, paths
from slmlib.tasks.base import NamedComparison, Sample
from slmlib.tasks.edgejson import scoring
from slmlib.tasks.edgejson.parsing import parse
from slmlib.tasks.edgejson.schemas import TIERS

FOLDER = paths.DATA / "edgejson"
_TUNED, _QWEN, _SMOLLM2 = (
    f"{name}_constrained"
    for name in ("cyclecore_mlm_135m_json", "qwen2_5_coder_0_5b_instruct", "smollm2_135m_instruct")
)
_UNSEEN, _EXACT = "test_unseen", "json_exact"

comparisons = {
    "unseen_qwen_rules": NamedComparison(_UNSEEN, _EXACT, _QWEN, "rules"),
    "seen_qwen_rules": NamedComparison("test", _EXACT, _QWEN, "rules"),
    "unseen_qwen_rules_field_f1": NamedComparison(_UNSEEN, "field_f1", _QWEN, "rules"),
    "unseen_smollm2_rules_field_f1": NamedComparison(_UNSEEN, "field_f1", _SMOLLM2, "rules"),
    "unseen_rules_tuned_presence": NamedComparison(_UNSEEN, "presence", "rules", _TUNED),
    "unseen_rules_qwen_presence": NamedComparison(_UNSEEN, "presence", "rules", _QWEN),
    "unseen_tuned_qwen": NamedComparison(_UNSEEN, _EXACT, _TUNED, _QWEN),
    "unseen_tuned_base": NamedComparison(_UNSEEN, _EXACT, _TUNED, _SMOLLM2),
    "unseen_tuned_grammar": NamedComparison(
        _UNSEEN, _EXACT, _TUNED, _TUNED.removesuffix("_constrained")
    ),
    "seen_tuned_grammar": NamedComparison(
        "test", _EXACT, _TUNED, _TUNED.removesuffix("_constrained")
    ),
}


def data_numbers() -> dict[str, str | int]:
    """Version and counts of the published data set."""
    manifest = io.read_json(FOLDER / "manifest.json")
    counts = manifest["counts"]
    origin: dict[str, str] = {}  # of each schema
    lowered: dict[str, int] = {}  # leaves whose first letter is not the text's, and their cases
    for split in counts:
        leaves = []
        for row in io.read_jsonl(FOLDER / f"{split}.jsonl"):
            origin[row["group"]] = row["slices"]["origin"]
            rules = [evidence["rule"] for evidence in row["meta"]["evidence"].values()]
            leaves.append(rules.count("lower_first"))
        lowered[f"{split}_lowered"] = sum(leaves)
        lowered[f"{split}_lowered_cases"] = sum(count > 0 for count in leaves)
    unseen = counts["test_unseen"]
    registers, noises = (
        {value for part in counts.values() for value in part["slices"].get(name, ())}
        for name in ("register", "noise")
    )
    return {
        "version": manifest["version"],
        "schemas": len(origin),
        "designed": sum(value == "designed" for value in origin.values()),
        "composed": sum(value == "composed" for value in origin.values()),
        "seen": len(counts["test"]["group"]),
        "unseen": len(unseen["group"]),
        "unseen_designed": sum(origin[group] == "designed" for group in unseen["group"]),
        "unseen_domains": len(unseen["domain"]),
        "registers": len(registers),
        "domains": len({domain for part in counts.values() for domain in part["domain"]}),
        "noises": len(noises),
        "cases": sum(part["cases"] for part in counts.values()),
        **{split: part["cases"] for split, part in counts.items()},
        **{tier: counts["test"]["slices"]["tier"][tier] for tier in TIERS},
        **lowered,
    }


def run_numbers(samples: Mapping[str, Sample], rows: Iterable[Mapping]) -> dict[str, str | int]:
    """Wrong answers without a wrong value: all that is wrong is which fields or items they have.

    Returns:
        `presence_only_n`: their number. `presence_only`: their share of the wrong answers.
        `exact_if_present`: JSONExact if they were right.
    """
    rows, count = list(rows), 0
    wrong = [row for row in rows if row["failure"]]
    for row in wrong:
        sample, answer = samples[row["id"]], parse(row["turns"][-1]["completion"])
        comparison = scoring.compare(sample.target, answer, sample.input["schema"])
        count += answer.ok and not (comparison.counts["wrong"] or comparison.disordered)
    exact = sum(row["scores"]["json_exact"] for row in rows)
    return {
        "presence_only_n": count,
        "presence_only": f"{100 * count / max(len(wrong), 1):.1f} %",
        "exact_if_present": f"{100 * (exact + count) / len(rows):.1f} %",
    }
