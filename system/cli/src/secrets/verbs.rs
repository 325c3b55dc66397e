//! `dive secrets list` and `load`: which there are, and fetching those that are not here any more.

use std::path::Path;

use dive_orchestrator::store::SqlStore;
use dive_orchestrator::{ErrorCode, Instance, Phase, Store as _};

use serde_json::{Value, json};

use super::rotate::rotate;
use super::{FIRST, SecretId, SecretName, SecretStore, store};
use crate::args::{Secrets, instance};
use crate::complaint::Complaint;
use crate::ended::not_deployed;
use crate::exit::Exit;
use crate::material::Material;
use crate::out::{self, out, table};
use crate::place::{Place, myself};

pub(crate) async fn obey(place: &Place, verb: Secrets) -> Result<Exit, Complaint> {
    let secrets = store(&place.home()?, std::env::vars())?;
    match verb {
        Secrets::List { instance: named, output } => {
            let named = named.map(|text| instance(&text)).transpose()?;
            list(place, &*secrets, named, output.json).await
        }
        Secrets::Load { instance: named } => load(place, &*secrets, &instance(&named)?).await,
        Secrets::Rotate { instance: named, secret, shown } => {
            rotate(place, &*secrets, &instance(&named)?, secret, shown).await
        }
    }
}

/// How one secret stands.
#[derive(Debug)]
struct Standing {
    instance: Instance,
    secret: &'static str,
    version: u32,
    /// Whether an earlier version is here, too.
    is_rotating: bool,
    /// Whether the deployment's own copy is here and good, or what is wrong with it.
    copy: Result<bool, String>,
    place: String,
    /// Whether the store has it, or why that is not known.
    store: Result<bool, String>,
}

/// What a copy and a store are said to be: there, not there, neither of both.
const COPY: [&str; 3] = ["here", "missing", "unfit"];
const KEPT: [&str; 3] = ["kept", "missing", "unknown"];

fn word(found: &Result<bool, String>, [yes, no, otherwise]: [&'static str; 3]) -> &'static str {
    match found {
        Ok(true) => yes,
        Ok(false) => no,
        Err(_) => otherwise,
    }
}

impl Standing {
    async fn read(material: &Material, secrets: &dyn SecretStore, id: SecretId) -> Self {
        let file = material.secret_file(id.name, id.version);
        let copy = Material::is_there(&file)
            .and_then(|there| if there { Material::read_secret(&file).map(|_| true) } else { Ok(false) });
        Self {
            secret: id.name.as_str(),
            version: id.version,
            is_rotating: material.versions(id.name).is_ok_and(|versions| versions.len() > 1),
            copy: copy.map_err(|failure| failure.detail),
            place: secrets.place(&id),
            store: secrets.has(&id).await.map_err(|failure| failure.detail),
            instance: id.instance,
        }
    }

    fn is_well(&self) -> bool {
        self.copy == Ok(true) && self.store == Ok(true) && !self.is_rotating
    }

    fn document(&self) -> Value {
        json!({
            "instance": self.instance,
            "secret": self.secret,
            "version": self.version,
            "copy": word(&self.copy, COPY),
            "store": word(&self.store, KEPT),
            "place": self.place,
            "remarks": self.remarks().collect::<Vec<_>>(),
        })
    }

    /// Why it is not as it should be, where that is not plain.
    fn remarks(&self) -> impl Iterator<Item = String> {
        let under_way =
            || format!("an earlier version is not dropped yet: {}", super::rotate::again(&self.instance));
        let failed = [&self.copy, &self.store].into_iter().filter_map(|found| found.as_ref().err().cloned());
        failed.chain(self.is_rotating.then(under_way))
    }

    fn row(&self) -> Vec<String> {
        let of = format!("{}.{}", self.secret, self.version);
        let (copy, kept) = (word(&self.copy, COPY), word(&self.store, KEPT));
        [&self.instance.to_string(), &of, copy, kept, &self.place].map(ToString::to_string).into()
    }
}

/// Which versions are written down as made.
struct Written(Vec<SecretId>);

impl Written {
    async fn of(place: &Place, material: &Material, instance: &Instance) -> Result<Self, Complaint> {
        let Some(store) = place.store_if_any().await? else { return Ok(Self(Vec::new())) };
        let intents = store.intents(instance).await?;
        let ids = intents.iter().filter_map(|intent| material.secret_of(Path::new(&intent.resource.name)));
        Ok(Self(ids.collect()))
    }

    /// The newest of a secret.
    fn version(&self, name: SecretName) -> u32 {
        let versions = self.0.iter().filter(|id| id.name == name).map(|id| id.version);
        versions.max().unwrap_or(FIRST)
    }
}

async fn deployed(store: &SqlStore) -> Result<Vec<Instance>, Complaint> {
    let mut deployed = Vec::new();
    for instance in store.instances().await? {
        let finished = store.checkpoints(&instance).await?;
        if finished.iter().any(|checkpoint| checkpoint.phase == Phase::Initialization) {
            deployed.push(instance);
        }
    }
    Ok(deployed)
}

/// 1 when one is missing or not as it should be.
async fn list(
    place: &Place,
    secrets: &dyn SecretStore,
    only: Option<Instance>,
    json: bool,
) -> Result<Exit, Complaint> {
    let mut instances = match place.store_if_any().await? {
        Some(store) => deployed(&store).await?,
        None => Vec::new(),
    };
    if let Some(only) = only {
        instances.retain(|instance| *instance == only);
        if instances.is_empty() {
            return Err(not_deployed(&only));
        }
    }
    let mut standings = Vec::new();
    for instance in instances {
        let material = Material::new(&place.home()?, &instance);
        let written = Written::of(place, &material, &instance).await?;
        for name in SecretName::of(&instance) {
            let version = written.version(name);
            let id = SecretId { instance: instance.clone(), name, version };
            standings.push(Standing::read(&material, secrets, id).await);
        }
    }
    if json {
        out::json(&standings.iter().map(Standing::document).collect::<Vec<_>>())?;
    } else if standings.is_empty() {
        out!("nothing is deployed")?;
    } else {
        let head = ["INSTANCE", "SECRET", "COPY", "STORE", "WHERE"].map(str::to_owned).to_vec();
        let rows: Vec<_> = std::iter::once(head).chain(standings.iter().map(Standing::row)).collect();
        out::text(format_args!("{}", table(&rows)))?;
        for standing in &standings {
            for remark in standing.remarks() {
                out!("{}: {}: {remark}", standing.instance, standing.secret)?;
            }
        }
    }
    Ok(if standings.iter().all(Standing::is_well) { Exit::Done } else { Exit::NotWell })
}

/// Copies that are here stay as they are: what runs was made with them.
async fn load(place: &Place, secrets: &dyn SecretStore, instance: &Instance) -> Result<Exit, Complaint> {
    let Some(store) = place.store_if_any().await? else { return Err(not_deployed(instance)) };
    if !deployed(&store).await?.contains(instance) {
        return Err(not_deployed(instance));
    }
    let lease = store.acquire(instance, &myself()).await?;
    let loaded = fetch(place, secrets, instance).await;
    store.release(&lease).await?;
    let loaded = loaded?;
    store.audit(&myself(), &format!("secrets-load {instance}")).await?;
    out!("{instance}: {loaded} loaded, {} were here", SecretName::of(instance).len() - loaded)?;
    Ok(Exit::Done)
}

async fn fetch(place: &Place, secrets: &dyn SecretStore, instance: &Instance) -> Result<usize, Complaint> {
    let material = Material::new(&place.home()?, instance);
    let written = Written::of(place, &material, instance).await?;
    let mut loaded = 0;
    for name in SecretName::of(instance) {
        let version = written.version(name);
        if Material::is_there(&material.secret_file(name, version))? {
            continue;
        }
        let id = SecretId { instance: instance.clone(), name, version };
        let Some(secret) = secrets.read(&id).await? else {
            return Err(Complaint::of(
                ErrorCode::SecretLoad,
                format!("there is no {}", secrets.place(&id)),
                "put it back from its backup; what was made with it takes no other",
            ));
        };
        material.put_secret(&id, &secret)?;
        loaded += 1;
    }
    Ok(loaded)
}
