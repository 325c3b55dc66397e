# National and NATO terms as canonical levels.
#
# A clearance country asks for mapping. Then the table is asked for the term being mapped: the original
# clearance where there is one (and a canonical clearance beside it stands as it is), else the clearance.
package org.equivalence

# The lower of what the home country wrote and what the token claims; undefined when either cannot be read.
subject_level := rank if {
	object.get(input.subject, "clearanceCountry", null) == null
	object.get(input.subject, "clearanceOriginal", null) == null
	rank := data.reference.levels[input.subject.clearance]
} else := rank if {
	_given(input.subject.clearanceCountry)
	object.get(input.subject, "clearanceOriginal", null) == null
	rank := level(input.subject.clearanceCountry, input.subject.clearance)
} else := rank if {
	_given(input.subject.clearanceCountry)
	_given(input.subject.clearanceOriginal)
	rank := min([level(input.subject.clearanceCountry, input.subject.clearanceOriginal), _stated_level])
}

# The higher of the classification and the originator's own marking; undefined when either cannot be read.
resource_level := rank if {
	object.get(input.resource, "originalClassification", null) == null
	object.get(input.resource, "originalCountry", null) == null
	rank := data.reference.levels[input.resource.classification]
} else := rank if {
	_given(input.resource.originalClassification)
	_given(input.resource.originalCountry)
	marked := level(input.resource.originalCountry, input.resource.originalClassification)
	rank := max([data.reference.levels[input.resource.classification], marked])
}

_given(value) if trim_space(value) != ""

# The level of `term` as `country` writes it; undefined when it has none, or more than one.
level(country, term) := rank if {
	written := upper(term)

	# Some engines make two capitals of one letter, such as ß, and so two terms of one.
	count(written) == count(term)
	ranks := (_nato(written) | _national(country, written)) | _english(country, written)
	count(ranks) == 1
	some rank in ranks
}

_stated_level := data.reference.levels[input.subject.clearance] if {
	data.reference.levels[input.subject.clearance] >= 0
} else := level(input.subject.clearanceCountry, input.subject.clearance)

# Every country accepts the alliance's terms, with blanks, underscores or hyphens.
_nato(written) := {data.reference.levels[name] |
	some name, terms in data.reference.classification_equivalence.NATO
	replace(replace(written, "_", " "), "-", " ") in terms
}

_national("NATO", _) := set()

_national(country, written) := ranks if {
	country != "NATO"
	ranks := {data.reference.levels[name] |
		some name, terms in data.reference.classification_equivalence[country]
		written in terms
	}
}

# Every country of the table uses the English terms too, with exceptions.
_english("NATO", _) := set()

_english(country, written) := ranks if {
	country != "NATO"
	unused := object.get(_english_unused, country, set())
	ranks := {rank |
		data.reference.classification_equivalence[country]
		not written in unused
		rank := _english_terms[written]
	}
}

_english_terms := {
	"UNCLASSIFIED": 0,
	"RESTRICTED": 1,
	"CONFIDENTIAL": 2,
	"SECRET": 3,
	"TOP SECRET": 4,
	"TOP_SECRET": 4,
}

_english_unused := {
	"CAN": {"RESTRICTED"},
	"GBR": {"TOP_SECRET"},
	"NZL": {"TOP_SECRET"},
}
