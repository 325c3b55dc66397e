# National and NATO terms as canonical levels.
#
# A clearance country asks for mapping. Then the table is asked for the term being mapped: the original
# clearance where there is one (and a canonical clearance beside it stands as it is), else the clearance.
package org.equivalence

import data.base.levels

# The lower of what the home country wrote and what the token claims; undefined when either cannot be read.
subject_level := rank if {
	is_null(_clearance_country)
	is_null(_clearance_original)
	rank := levels.rank[input.subject.clearance]
}

subject_level := rank if {
	not is_null(_clearance_country)
	is_null(_clearance_original)
	rank := level(_clearance_country, input.subject.clearance)
}

subject_level := rank if {
	not is_null(_clearance_country)
	not is_null(_clearance_original)
	rank := min([level(_clearance_country, _clearance_original), _stated_level])
}

# The higher of the classification and the originator's own marking; undefined when either cannot be read.
resource_level := rank if {
	is_null(_original_classification)
	is_null(_original_country)
	rank := levels.rank[input.resource.classification]
}

resource_level := rank if {
	not is_null(_original_classification)
	not is_null(_original_country)
	marked := level(_original_country, _original_classification)
	rank := max([levels.rank[input.resource.classification], marked])
}

# The level of `term` as `country` writes it; undefined when it has none, or more than one.
level(country, term) := rank if {
	written := upper(term)
	ranks := (_nato(written) | _national(country, written)) | _english(country, written)
	count(ranks) == 1
	some rank in ranks
}

_stated_level := rank if {
	rank := levels.rank[input.subject.clearance]
} else := level(_clearance_country, input.subject.clearance)

# Every country accepts the alliance's terms, with blanks, underscores or hyphens.
_nato(written) := {levels.rank[name] |
	some name, terms in data.org.classification_equivalence.NATO
	replace(replace(written, "_", " "), "-", " ") in terms
}

_national("NATO", _) := set()

_national(country, written) := ranks if {
	country != "NATO"
	ranks := {levels.rank[name] |
		some name, terms in data.org.classification_equivalence[country]
		written in terms
	}
}

# Every country of the table uses the English terms too, with exceptions.
_english("NATO", _) := set()

_english(country, written) := ranks if {
	country != "NATO"
	unused := object.get(_english_unused, country, set())
	ranks := {rank |
		data.org.classification_equivalence[country]
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

_clearance_country := object.get(input.subject, "clearanceCountry", null)

_clearance_original := object.get(input.subject, "clearanceOriginal", null)

_original_country := object.get(input.resource, "originalCountry", null)

_original_classification := object.get(input.resource, "originalClassification", null)
