//! The realm of an instance, as Keycloak takes it.

use serde_json::{Value, json};

/// The name of Keycloak's first administrator.
pub(super) const ADMINISTRATOR: &str = "dive-admin";

/// The client of people with a browser: authorization code with PKCE, no secret.
pub(super) const BROWSER: &str = "dive-web";

/// The client through which verification logs in: user name and password, and a secret of its own.
pub(super) const VERIFIER: &str = "dive-verifier";

/// The claims that are made of users' attributes of the same name, and whether they are lists.
const CLAIMS: [(&str, bool); 8] = [
    ("uniqueID", false),
    ("clearance", false),
    ("countryOfAffiliation", false),
    ("organizationType", false),
    ("acpCOI", true),
    ("acr", false),
    ("amr", true),
    ("roles", true),
];

/// The realm of a tenant.
pub(super) fn name(tenant: &str) -> String {
    format!("dive-v3-broker-{}", tenant.to_ascii_lowercase())
}

/// The issuer of its tokens, at the identity provider with base URL `base`.
pub(super) fn issuer(base: &str, tenant: &str) -> String {
    format!("{base}/realms/{}", name(tenant))
}

/// The bare realm: users may have the attributes that claims are made of, and need no name and no address.
pub(super) fn document(tenant: &str, called: &str) -> Value {
    // Keycloak refuses a profile without these two.
    let attribute = |name| {
        let permissions = json!({"view": ["admin", "user"], "edit": ["admin"]});
        json!({"name": name, "permissions": permissions, "multivalued": false})
    };
    let profile = json!({"attributes": [attribute("username"), attribute("email")], "unmanagedAttributePolicy": "ENABLED"});
    json!({
        "realm": name(tenant),
        "displayName": called,
        "enabled": true,
        "sslRequired": "external",
        "registrationAllowed": false,
        "accessTokenLifespan": 900,
        "components": {"org.keycloak.userprofile.UserProfileProvider": [{
            "providerId": "declarative-user-profile",
            "config": {"kc.user.profile.config": [profile.to_string()]},
        }]},
    })
}

fn mappers() -> Vec<Value> {
    let mapper = |(claim, list): (&str, bool)| {
        json!({
            "name": claim,
            "protocol": "openid-connect",
            "protocolMapper": "oidc-usermodel-attribute-mapper",
            "config": {
                "user.attribute": claim,
                "claim.name": claim,
                "jsonType.label": "String",
                "multivalued": list.to_string(),
                "access.token.claim": "true",
                "id.token.claim": "false",
                "userinfo.token.claim": "false",
            },
        })
    };
    CLAIMS.into_iter().map(mapper).collect()
}

/// A client, as it is created. `secret` is the verifier's.
pub(super) fn client(id: &str, page: &str, secret: &str) -> Value {
    let mut client = json!({
        "clientId": id,
        "enabled": true,
        "protocol": "openid-connect",
        // `basic` brings `sub`. Without the scope `acr`, that claim is the user's attribute.
        "defaultClientScopes": ["basic"],
        "optionalClientScopes": [],
        "protocolMappers": mappers(),
    });
    let flows = if id == VERIFIER {
        json!({"publicClient": false, "secret": secret, "standardFlowEnabled": false, "directAccessGrantsEnabled": true})
    } else {
        json!({
            "publicClient": true,
            "standardFlowEnabled": true,
            "directAccessGrantsEnabled": false,
            "redirectUris": [format!("{page}/*")],
            "attributes": {"pkce.code.challenge.method": "S256"},
        })
    };
    for (key, value) in flows.as_object().into_iter().flatten() {
        client[key] = value.clone();
    }
    client
}

/// Somebody of the realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) clearance: &'static str,
    pub(super) organization: Option<&'static str>,
    pub(super) roles: &'static [&'static str],
}

/// The one that verification logs in as: as little as anybody may.
pub(super) fn verifier(tenant: &str) -> User {
    let name = format!("verifier-{}", tenant.to_ascii_lowercase());
    User { name, clearance: "UNCLASSIFIED", organization: None, roles: &[] }
}

/// Those to try an instance with: one of each level, one of industry, one who administers.
pub(super) fn seeded(tenant: &str) -> Vec<User> {
    let tenant = tenant.to_ascii_lowercase();
    let levels = ["UNCLASSIFIED", "CONFIDENTIAL", "SECRET", "TOP_SECRET", "UNCLASSIFIED"];
    let user = |(number, clearance)| User {
        name: format!("testuser-{tenant}-{}", number + 1),
        clearance,
        organization: (number == 4).then_some("INDUSTRY"),
        roles: &[],
    };
    let administrator = User {
        name: format!("admin-{tenant}"),
        clearance: "TOP_SECRET",
        organization: None,
        roles: &["super-admin"],
    };
    levels.into_iter().enumerate().map(user).chain([administrator]).collect()
}

impl User {
    /// As Keycloak creates it.
    pub(super) fn document(&self, tenant: &str, password: &str) -> Value {
        let mut attributes = json!({
            "uniqueID": [self.name],
            "clearance": [self.clearance],
            "countryOfAffiliation": [tenant],
            // What it is said to have shown at login: a test has no second factor to show.
            "acr": ["2"],
            "amr": ["pwd", "otp"],
        });
        if let Some(organization) = self.organization {
            attributes["organizationType"] = json!([organization]);
        }
        if !self.roles.is_empty() {
            attributes["roles"] = json!(self.roles);
        }
        json!({
            "username": self.name,
            "enabled": true,
            "attributes": attributes,
            "credentials": [{"type": "password", "value": password, "temporary": false}],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_of_a_user_becomes_a_claim_of_every_client() {
        for user in seeded("FRA").into_iter().chain([verifier("FRA")]) {
            let document = user.document("FRA", "x");
            for id in [BROWSER, VERIFIER] {
                let client = client(id, "https://localhost:3010", "y");
                let mapped: Vec<_> = client["protocolMappers"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|mapper| mapper["name"].as_str().unwrap())
                    .collect();
                for attribute in document["attributes"].as_object().unwrap().keys() {
                    assert!(mapped.contains(&attribute.as_str()), "{attribute}");
                }
            }
        }
    }

    #[test]
    fn only_the_verifier_logs_in_with_a_password_and_only_with_its_secret() {
        let (browser, verifier) = (client(BROWSER, "https://p", "s"), client(VERIFIER, "https://p", "s"));
        assert_eq!(browser["directAccessGrantsEnabled"], false);
        assert_eq!(browser["secret"], Value::Null);
        assert_eq!((&verifier["publicClient"], &verifier["secret"]), (&json!(false), &json!("s")));
        assert!(!document("FRA", "France").to_string().contains("password"));
    }

    #[test]
    fn five_users_of_four_levels_and_an_administrator() {
        let users = seeded("FRA");
        let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names[0], "testuser-fra-1");
        assert_eq!((names[4], users[4].organization), ("testuser-fra-5", Some("INDUSTRY")));
        assert_eq!((names[5], names.len()), ("admin-fra", 6));
    }
}
