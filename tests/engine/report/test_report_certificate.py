from engine.report.certificate import show_certificate
from engine.report.pages import write_index


def front_page(judged, page):
    write_index(page, judged.subject, judged.evidence.metrics, judged.verdict)


def test_a_page_says_that_there_is_no_certificate_until_there_is_one(judged, tmp_path):
    page = tmp_path / "index.html"
    front_page(judged, page)
    assert "no leak certificate for this run yet" in page.read_text()
    show_certificate(tmp_path, "<p>clean</p>")
    text = page.read_text()
    assert "<p>clean</p>" in text
    assert "no leak certificate" not in text


def test_a_second_certificate_takes_the_place_of_the_first(judged, tmp_path):
    front_page(judged, tmp_path / "index.html")
    show_certificate(tmp_path, r"<p>one \1</p>")
    show_certificate(tmp_path, "<p>two</p>")
    text = (tmp_path / "index.html").read_text()
    assert "two" in text
    assert r"one \1" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html"]
