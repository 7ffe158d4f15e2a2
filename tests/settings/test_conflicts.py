"""Values and files that are valid alone but conflict: each conflict is reported in one line, with advice."""

import re
from pathlib import Path

import pytest
from support.settings.mistakes import (
    CONTRACT,
    DESTINATION,
    FILES,
    TEMPLATE,
    assert_reported,
    in_destination,
    in_orchestration,
    in_template,
    write_tree,
)

from persado.settings import load

MISTAKES = {
    "no such data template": in_orchestration(
        "data_template: segment", "data_template: segmnt", 4, "Did you mean 'segment'?"
    ),
    "no such destination": in_template("destination: persado", "destination: persdo", 1, "Did you mean 'persado'?"),
    "no such contract": in_template(
        "contract: loyal", "contract: royal", 9, "contracts/royal.yaml", "Did you mean 'loyal'?"
    ),
    "no such transform": in_template("contract: loyal", "transform: mine:f", 9, "there is no file mine.py"),
    "no such query": in_orchestration(
        "segment.sql", "segments.sql", 2, "queries/segments.sql", "Did you mean 'segment.sql'?"
    ),
    "no such key": in_destination("persado.asc", "persado.pgp", 9, "keys/persado.pgp", "Did you mean 'persado.asc'?"),
    "custom without delimiter": in_destination("csv", "custom", 5, "settings.file_format", "needs a delimiter"),
    "csv with a delimiter": in_destination("csv", 'csv\n  delimiter: ";"', 6, "settings.delimiter", "custom"),
    "escape is delimiter": in_destination("csv", "csv\n  escape_character: ','", 6, "is also the delimiter"),
    "unescaped": in_destination("special_characters", "none", 6, "settings.quote_mode", "allow_unescaped: true"),
    "quote escapes nothing": in_destination(
        "special_characters",
        "none\n  escape_character: '\"'",
        7,
        "settings.escape_character",
        "a double quote",
    ),
    "NULL is a delimiter": in_template('""', '"a,b"', 7, "null_text contains the delimiter"),
    "signature without encryption": in_destination(
        "pgp_public_key: persado.asc", "pgp_signing_key: {variable: own}", 9, "would be signed", "pgp_signing_key: null"
    ),
    "fingerprint without key": in_destination(
        "pgp_public_key: persado.asc", f"pgp_fingerprint: {'AB' * 20}", 9, "nothing would be encrypted"
    ),
    "parts with one name": in_template(
        'null_text: ""', "split: {megabytes: 5}\n  split_filename_template: part.csv", 8, "{{file_number}}"
    ),
    "no filename": in_orchestration(
        "  filename_template: \"segment_{{now|format:'yyyy-MM-dd'}}.csv.gz\"\n",
        "",
        1,
        "filename_template is set neither",
    ),
    "campaign without a name": in_orchestration(
        "segment_{{", "{{campaign_name}}{{", 7, "has no campaign_name", "Add it"
    ),
    "row number is a column": in_template('null_text: ""', "row_number: birth_dt", 7, "row_number", "also a column"),
    "only if its own deliveries changed": in_orchestration(
        "timezone: America/New_York",
        "only_if_changed: [customers, persado://persado/weekly_segment]",
        5,
        "workflow.only_if_changed[1]: waits for the orchestration's own deliveries",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_reported_in_one_line_with_place_and_advice(tmp_path: Path, name: str) -> None:
    assert_reported(MISTAKES[name], tmp_path)


def test_a_missing_column_of_the_contract_is_reported(tmp_path: Path) -> None:
    strict = FILES[CONTRACT].replace("name: points", "name: birthday").replace("required: false", "required: true")

    (error,) = load(write_tree(tmp_path, {CONTRACT: strict})).errors

    assert str(error).startswith(f"{TEMPLATE}:3: columns: the contract loyal requires the column 'birthday'")
    assert "Add it." in str(error)


def test_a_conflict_is_reported_at_the_value_that_completes_it(tmp_path: Path) -> None:
    changes = {
        DESTINATION: FILES[DESTINATION].replace("csv\n", "csv\n  escape_character: ';'\n"),
        TEMPLATE: FILES[TEMPLATE].replace('null_text: ""', "file_format: custom\n  delimiter: ';'"),
    }

    (error,) = load(write_tree(tmp_path, changes)).errors

    assert str(error).startswith(f"{TEMPLATE}:8: settings.delimiter: the escape character is also the delimiter.")


def test_orchestrations_that_wait_for_each_other_are_reported(tmp_path: Path) -> None:
    weekly = FILES["orchestrations/weekly_segment.yaml"]
    neighbour = FILES["orchestrations/neighbour.yaml"]

    def with_workflow(text: str, workflow: str) -> str:
        return re.sub(r"^workflow: .*$", f"workflow: {workflow}", text, flags=re.MULTILINE)

    third = "{when_changed: [customers, persado://persado/weekly_segment]}"
    write_tree(
        tmp_path,
        {
            "orchestrations/weekly_segment.yaml": with_workflow(weekly, "{when_changed: [persado://persado/third]}"),
            "orchestrations/third.yaml": with_workflow(weekly, third),
            "orchestrations/neighbour.yaml": f"{neighbour}workflow: {third}\n",
        },
    )
    configuration = load(tmp_path)
    (error,) = configuration.errors
    assert str(error) == (
        "orchestrations/third.yaml:5: workflow: is a circle: third waits for weekly_segment waits for third, so"
        " each delivery would start the next one forever. Remove one of the references. (It stops weekly_segment.)"
    )
    # An orchestration that only waits for one of them is not part of the circle.
    assert list(configuration.deliveries) == ["neighbour"]
