# What may stand in a field. Types are strict: a string is no list, a word is no boolean.
package base.types

# A string that is not blank.
text(value) if {
	is_string(value)
	trim_space(value) != ""
}

# An officially assigned ISO 3166-1 alpha-3 code.
country(value) if data.base.countries.alpha2[value]

# A JSON list of strings; it may be empty.
texts(value) if {
	is_array(value)
	every item in value {
		is_string(item)
	}
}

# The same, or nothing at all: null is absent.
optional_texts(value) if is_null(value)

optional_texts(value) if texts(value)

# A JSON boolean, or nothing at all.
optional_boolean(value) if is_null(value)

optional_boolean(value) if is_boolean(value)
