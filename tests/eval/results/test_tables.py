"""Tables of documents."""

from eval.results.tables import rows_table


def test_a_documents_own_rows_become_a_table():
    assert rows_table([["a", "b"], ["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"
