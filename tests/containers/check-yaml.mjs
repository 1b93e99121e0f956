// SPDX-License-Identifier: MIT
// Checks docker/compose.yaml and docker/kubernetes/*.yaml without Docker or a cluster:
// - compose.yaml against the Compose specification's JSON schema (in the package dclint),
//   and that each network, volume and secret that is named exists;
// - manifests against Kubernetes' OpenAPI: types and required fields by the package
//   kubernetes-models, fields that do not exist (which those schemas allow) by the
//   attribute maps of @kubernetes/client-node;
// - and what no schema knows: the functions below.
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as client from '@kubernetes/client-node';
import Ajv from 'ajv';
import { parseAllDocuments } from 'yaml';

const here = dirname(fileURLToPath(import.meta.url));
const docker = process.argv[2] ?? join(here, '../../docker');
const faults = [];
const expect = (holds, text) => holds || faults.push(text);

function documents(path) {
  return parseAllDocuments(readFileSync(path, 'utf8'), { merge: true }).map((document) => {
    for (const error of [...document.errors, ...document.warnings]) faults.push(`${path}: ${error.message}`);
    return document.toJS();
  });
}

// --- Compose -------------------------------------------------------------------------

function checkCompose(path) {
  const require = createRequire(import.meta.url);
  const packageDirectory = join(here, 'node_modules/dclint');
  const schema = require(join(packageDirectory, 'schemas/compose.schema.json'));
  schema.$schema = 'http://json-schema.org/draft-07/schema#';
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  const validate = ajv.compile(schema);
  const [compose] = documents(path);
  if (!validate(compose))
    for (const error of validate.errors) faults.push(`compose.yaml${error.instancePath}: ${error.message}`);
  for (const [name, service] of Object.entries(compose.services)) {
    const say = (holds, text) => expect(holds, `compose.yaml: ${name}: ${text}`);
    for (const kind of ['networks', 'secrets', 'volumes']) {
      const used = Array.isArray(service[kind]) ? service[kind] : Object.keys(service[kind] ?? {});
      for (const item of used.map((text) => text.split(':')[0]).filter((text) => !/^[./]/.test(text)))
        say(item in compose[kind], `${kind}: ${item} does not exist`);
    }
    for (const other of [service.depends_on ?? []].flatMap((on) => (Array.isArray(on) ? on : Object.keys(on))))
      say(other in compose.services, `depends on ${other}, which does not exist`);
    say(service.read_only === true, 'its root is not read-only');
    say(service.cap_drop?.includes('ALL'), 'keeps capabilities');
    say(service.security_opt?.includes('no-new-privileges:true'), 'may get new privileges');
    for (const port of service.ports ?? []) say(port.startsWith('127.0.0.1:'), `port ${port} is open to the world`);
  }
}

// --- Kubernetes ----------------------------------------------------------------------

const primitives = /^(string|number|boolean|any|object|Date|IntOrString)$/;

// The client's classes by the names in its attribute maps.
function unknownFields(value, type, path) {
  if (value === null || value === undefined) return [];
  const list = /^Array<(.*)>$/.exec(type);
  if (list) return value.flatMap?.((item, index) => unknownFields(item, list[1], `${path}[${index}]`)) ?? [];
  if (type.startsWith('{') || primitives.test(type)) return [];
  const model = client[type];
  if (!model) return [`${path}: no model ${type}`];
  const attributes = new Map(model.getAttributeTypeMap().map((each) => [each.baseName, each.type]));
  return Object.entries(value).flatMap(([name, item]) =>
    attributes.has(name)
      ? unknownFields(item, attributes.get(name), `${path}.${name}`)
      : [`${path}.${name}: there is no such field`],
  );
}

async function checkObject(object, where) {
  const [group, version] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['', object.apiVersion];
  if (group === 'consul.hashicorp.com' || group === 'kustomize.config.k8s.io') return; // below
  const models = await import(`kubernetes-models/${group ? `${group}/` : ''}${version}`);
  const Model = models[object.kind];
  if (!Model) return void faults.push(`${where}: no ${object.kind} in ${object.apiVersion}`);
  try {
    new Model(object).validate();
  } catch (error) {
    faults.push(`${where}: ${error.message}`);
  }
  const type = `${version[0].toUpperCase()}${version.slice(1)}${object.kind}`;
  faults.push(...unknownFields(object, type, where));
}

const name = (object) => object.metadata?.name;

function checkConsul(objects, all) {
  const services = new Set(all.filter((object) => object.kind === 'Service').map(name));
  for (const object of objects) {
    const where = `consul.yaml: ${object.kind} ${name(object)}`;
    expect(services.has(name(object)), `${where}: no such Service`);
    const fields = { ServiceDefaults: ['protocol'], ServiceIntentions: ['destination', 'sources'] }[object.kind];
    if (!fields) faults.push(`${where}: unknown kind`);
    for (const field of Object.keys(object.spec)) expect(fields?.includes(field), `${where}: ${field}`);
    for (const source of object.spec.sources ?? []) expect(services.has(source.name), `${where}: ${source.name}`);
  }
}

// What must hold for a pod of ours whatever else is changed.
function checkPod(deployment, all) {
  const where = `Deployment ${name(deployment)}`;
  const { metadata, spec } = deployment.spec.template;
  const say = (holds, text) => expect(holds, `${where}: ${text}`);
  say(spec.securityContext?.runAsNonRoot === true, 'may run as root');
  say(spec.securityContext?.seccompProfile?.type === 'RuntimeDefault', 'has no seccomp profile');
  for (const [key, value] of Object.entries(deployment.spec.selector.matchLabels))
    say(metadata.labels[key] === value, 'its selector does not find its pods');
  for (const container of spec.containers) {
    const security = container.securityContext ?? {};
    say(security.readOnlyRootFilesystem === true, 'its root can be written');
    say(security.allowPrivilegeEscalation === false, 'may get privileges');
    say(security.capabilities?.drop?.includes('ALL'), 'keeps capabilities');
    say(container.resources?.limits?.memory && container.resources?.requests?.cpu, 'has no limits');
    say(container.readinessProbe && container.livenessProbe, 'has no probes');
    const ports = new Set(container.ports.map((port) => port.name));
    for (const probe of [container.readinessProbe, container.livenessProbe, container.startupProbe].filter(Boolean))
      say(ports.has(probe.httpGet?.port), `no port ${probe.httpGet?.port}`);
    for (const mount of container.volumeMounts ?? [])
      say(spec.volumes?.some((volume) => volume.name === mount.name), `no volume ${mount.name}`);
    for (const from of container.envFrom ?? [])
      say(all.some((each) => each.kind === 'ConfigMap' && name(each) === from.configMapRef.name), 'no such ConfigMap');
    if (name(deployment) === 'emojify-api') {
      say(container.livenessProbe?.httpGet?.path === '/api/health/live', 'liveness asks for more than itself');
      say(container.readinessProbe?.httpGet?.path === '/api/health/ready', 'readiness asks for more than itself');
    }
  }
  say(all.some((each) => each.kind === 'ServiceAccount' && name(each) === spec.serviceAccountName), 'no ServiceAccount');
  for (const kind of ['Service', 'PodDisruptionBudget', 'NetworkPolicy'])
    say(all.some((each) => each.kind === kind && name(each) === name(deployment)), `has no ${kind}`);
  const upstreams = metadata.annotations?.['consul.hashicorp.com/connect-service-upstreams'] ?? '';
  for (const upstream of upstreams.split(',').filter(Boolean))
    say(all.some((each) => each.kind === 'Service' && name(each) === upstream.split(':')[0]), `upstream ${upstream}`);
}

async function checkKubernetes(directory) {
  const [kustomization] = documents(join(directory, 'kustomization.yaml'));
  const files = readdirSync(directory).filter((file) => file.endsWith('.yaml') && file !== 'kustomization.yaml');
  expect([...kustomization.resources].sort().join() === files.sort().join(), 'kustomization.yaml: resources are not the files');
  const all = [];
  for (const file of files) {
    for (const object of documents(join(directory, file))) {
      await checkObject(object, `${file}: ${object.kind} ${name(object)}`);
      all.push(object);
    }
  }
  checkConsul(all.filter((object) => object.apiVersion.startsWith('consul.')), all);
  for (const object of all) {
    if (object.kind === 'Deployment') checkPod(object, all);
    if (object.kind === 'HorizontalPodAutoscaler')
      expect(
        all.some((each) => each.kind === 'Deployment' && name(each) === object.spec.scaleTargetRef.name),
        `HorizontalPodAutoscaler ${name(object)} scales nothing`,
      );
  }
  return all.length;
}

checkCompose(join(docker, 'compose.yaml'));
const count = await checkKubernetes(join(docker, 'kubernetes'));
for (const fault of faults) console.error(fault);
console.log(`compose.yaml and ${count} manifests: ${faults.length} faults`);
process.exit(faults.length ? 1 : 0);
