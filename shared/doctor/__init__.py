"""The data doctor: all that is wrong with a data set at once. A bundle's `scripts.doctor` does the looking."""

from shared.doctor.diagnosis import Diagnosis, Sample, Table
from shared.doctor.files import write_diagnosis
from shared.doctor.finding import ERROR, NOTE, WARNING, Finding, Picture
from shared.doctor.opening import ask_the_reader, begin
from shared.doctor.sheet import draw_contact_sheet
from shared.doctor.text import format_diagnosis

__all__ = [
    "ERROR",
    "NOTE",
    "WARNING",
    "Diagnosis",
    "Finding",
    "Picture",
    "Sample",
    "Table",
    "ask_the_reader",
    "begin",
    "draw_contact_sheet",
    "format_diagnosis",
    "write_diagnosis",
]
