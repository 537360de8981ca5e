"""What a flag says is text, whatever it looks like."""

import pytest

from engine.cli.options import settings_of_flags


@pytest.mark.parametrize("name", ["true", "1", "2024-01-01", "None", "1e5", "nan"])
def test_a_name_is_the_text_that_was_given(name):
    assert settings_of_flags(None, None, {"name": name}).name == name


@pytest.mark.parametrize("start", ["2017-01-01", "1999-12-31"])
def test_a_date_is_the_same_by_flag_by_set_and_in_a_file(start, tmp_path):
    by_flag = settings_of_flags(None, None, {"data.start": start})
    by_set = settings_of_flags(None, [f"data.start={start}"], {})
    files = []
    for form in (start, f'"{start}"'):  # a date of TOML, and a text
        (tmp_path / "of.toml").write_text(f"[data]\nstart = {form}\n")
        files.append(settings_of_flags(tmp_path / "of.toml", None, {}))
    assert by_flag.data == by_set.data == files[0].data == files[1].data
