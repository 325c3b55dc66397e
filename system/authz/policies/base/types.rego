# What may stand in a field. Types are strict: a string is no list, a word is no boolean.
#
# Two idioms stand in place of functions where every decision passes, because engines pay for a call:
# `trim_space(x) != ""` holds for strings that are not blank, and for nothing that is no string;
# `concat("", x)` is defined for lists of strings, empty ones too, and for nothing else in JSON.
package base.types

# An officially assigned ISO 3166-1 alpha-3 code.
country(value) if data.reference.countries.alpha2[value]
