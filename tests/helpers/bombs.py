"""Files of a few kilobytes that stand for far more, or that lie about their size."""

import io
import zipfile

import pyarrow as pa
from pyarrow import feather, parquet

TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{TYPES}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{TYPES}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{RELATIONS}">'
    f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">'
    '<sheets><sheet name="s" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">'
    f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


def repeated(rows, length, stored=False):
    """A Parquet file of one long text, kept once and meant in every row; `stored` tells readers that it is one."""
    codes = pa.array([0] * rows, pa.int32())
    columns = {
        "date": pa.DictionaryArray.from_arrays(codes, pa.array(["2020-01-02"])),
        "close": pa.DictionaryArray.from_arrays(codes, pa.array(["x" * length])),
    }
    made = io.BytesIO()
    parquet.write_table(pa.table(columns), made, store_schema=stored)
    return made.getvalue()


def zeros(rows):
    """A Feather file of a column of zeros."""
    made = io.BytesIO()
    feather.write_feather(pa.table({"close": pa.array([0.0] * rows)}), made, compression="zstd")
    return made.getvalue()


def spreadsheet(cells, dimension="A1:B2"):
    """A workbook of one sheet of these cells, ((row, its place, value), ...), and how large it says it is."""
    rows = "".join(
        f'<row r="{row}"><c r="{place}" t="inlineStr"><is><t>{value}</t></is></c></row>'
        if isinstance(value, str)
        else f'<row r="{row}"><c r="{place}"><v>{value}</v></c></row>'
        for row, place, value in cells
    )
    sheet = (
        f'<worksheet xmlns="{MAIN}"><dimension ref="{dimension}"/><sheetData>{rows}</sheetData></worksheet>'
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**PARTS, "xl/worksheets/sheet1.xml": sheet}.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return made.getvalue()
