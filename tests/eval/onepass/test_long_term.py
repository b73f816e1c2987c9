import json

from eval.onepass.long_term import evaluate_presence
from eval.results.tables import presence_table


def test_a_pack_is_evaluated_without_repeated_videos(pack, tmp_path):
    """The painted square is away in frame 6 of 12; the first frame, where it is away too, is not tracked."""
    document = evaluate_presence(pack, tmp_path / "presence.json", names=("depth:1", "full"), starts=1)
    assert json.loads((tmp_path / "presence.json").read_text()) == document
    assert document["sequences"] == 1 and set(document["contenders"]) == {"depth:1", "full"}
    assert all(row["absences"] == 1 for row in document["contenders"].values())
    assert presence_table(document).count("\n") == 3
