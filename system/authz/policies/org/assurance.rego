# How strongly the subject must have been authenticated: by the class (acr) or by factors (amr).
package org.assurance

import data.base.types
import data.org.equivalence

default strength := false

strength if {
	well_formed
	equivalence.resource_level == 0
}

strength if {
	well_formed
	equivalence.resource_level > 0
	sufficient
}

# Nothing to judge without a class; MFA still counts factors.
sufficient if is_null(_acr)

sufficient if _acr in {1, 2, 3, "1", "2", "3"}

sufficient if _mentions({"silver", "gold", "aal2", "aal3", "multi-factor"})

sufficient if several_factors

default mfa := false

mfa if equivalence.resource_level == 0

mfa if {
	equivalence.resource_level > 0
	multi_factor
	assured
}

multi_factor if several_factors

multi_factor if {
	is_number(_acr)
	_acr >= 2
}

# Digits in quotes are a number: anything but 0 and 1, however many zeros stand before it.
multi_factor if {
	types.text(_acr)
	trim(_acr, "0123456789") == ""
	not trim_left(_acr, "0") in {"", "1"}
}

# The highest level can be made to need assurance level 3. A setting that is no boolean needs it, too.
assured if equivalence.resource_level < 4

assured if not data.policy.require_aal3

assured if _acr in {2, 3, "2", "3"}

assured if _mentions({"gold", "aal3"})

# The same factor twice is one factor.
several_factors if count(_factors) >= 2

_factors := {factor | is_array(_amr); some factor in _amr; types.text(factor)}

well_formed if {
	types.optional_texts(_amr)
	_acr_well_formed
}

_acr_well_formed if is_null(_acr)

_acr_well_formed if is_number(_acr)

_acr_well_formed if types.text(_acr)

_mentions(words) if {
	class := lower(_acr)
	some word in words
	contains(class, word)
}

_acr := object.get(input.context, "acr", null)

_amr := object.get(input.context, "amr", null)
