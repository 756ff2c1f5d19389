/** What is stored: how much under each prefix, what is largest, and what would never go away. */
import type { Check, Examination } from "../examination.ts";
import { cannotTell, failure, type Finding, note, ok, type Subject, warning } from "../finding.ts";
import { bytes, count, plural } from "../figures.ts";
import { OTHERS, type Sample, sampleKeys, type SeenKey } from "../keyspace.ts";

const KEYS: Subject = { id: "keys", title: "keys" };
const TTL: Subject = { id: "time-to-live", title: "time to live" };

/** How many keys are looked at: over HTTP each costs more. */
const BOUNDS = { keys: 10_000, time: 3000 };
const BOUNDS_REST = { keys: 1000, time: 3000 };
/** How many are shown. */
const EXAMPLES = 5;

interface Group {
  readonly name: string;
  readonly keys: number;
  readonly bytes: number;
}

function grouped(keys: readonly SeenKey[], names: readonly string[]): Group[] {
  const groups = new Map<string, { name: string; keys: number; bytes: number }>();
  for (const name of names) groups.set(name, { name, keys: 0, bytes: 0 });
  for (const key of keys) {
    const group = groups.get(key.group) ?? { name: key.group, keys: 0, bytes: 0 };
    groups.set(key.group, group);
    group.keys += 1;
    group.bytes += key.bytes ?? 0;
  }
  return [...groups.values()];
}

/** The few foreign groups that hold most, and the rest of them as one. */
function condensed(groups: readonly Group[]): Group[] {
  const foreign = groups
    .filter(({ name }) => name.startsWith(OTHERS))
    .toSorted((a, b) => b.bytes - a.bytes || b.keys - a.keys);
  const shown = foreign.slice(0, EXAMPLES);
  const rest = foreign.slice(EXAMPLES);
  const sum = (of: "keys" | "bytes") => rest.reduce((total, group) => total + group[of], 0);
  const others =
    rest.length === 0 ? [] : [{ name: OTHERS, keys: sum("keys"), bytes: sum("bytes") }];
  return [...groups.filter(({ name }) => !name.startsWith(OTHERS)), ...shown, ...others];
}

function largest(keys: readonly SeenKey[]): SeenKey[] {
  return keys
    .filter((key) => key.bytes !== undefined)
    .toSorted((a, b) => b.bytes! - a.bytes!)
    .slice(0, EXAMPLES);
}

/** How much the sample stands for. */
function extent({ keys, total, isComplete }: Sample): string {
  if (isComplete) return plural(keys.length, "key");
  return `a sample of ${count(keys.length)} of ${total === undefined ? "more" : plural(total, "key")}`;
}

function describe(sample: Sample, kinds: Examination["kinds"]): Finding {
  const groups = condensed(
    grouped(
      sample.keys,
      kinds.map(({ name }) => name),
    ),
  );
  const top = largest(sample.keys);
  const size = (group: Group) =>
    sample.sizesDenied === undefined ? ` (${bytes(group.bytes)})` : "";
  const parts = groups
    .filter(({ keys }) => keys > 0)
    .map((group) => `${group.name} ${count(group.keys)}${size(group)}`);
  const data = {
    seen: sample.keys.length,
    total: sample.total ?? null,
    complete: sample.isComplete,
    groups,
    largest: top.map(({ name, bytes: size_ }) => ({ name, bytes: size_ })),
    namespaces: sample.namespaces,
  };
  const list = parts.length === 0 ? "" : `: ${parts.join(", ")}`;
  const first = top[0] && `; largest ${top[0].name} (${bytes(top[0].bytes!)})`;
  const sizes =
    sample.sizesDenied === undefined ? "" : `; cannot tell sizes: ${sample.sizesDenied}`;
  const detail = `${extent(sample)}${list}${first ?? ""}${sizes}`;
  const [namespace] = sample.namespaces;
  if (namespace === undefined) return ok(KEYS, detail, data);
  return note(
    KEYS,
    `${detail}; keys of the namespace${sample.namespaces.length > 1 ? "s" : ""} ${sample.namespaces.join(", ")} are here too: look with --namespace ${namespace}`,
    data,
  );
}

function judgeTtls(sample: Sample, kinds: Examination["kinds"]): Finding {
  if (sample.ttlsDenied !== undefined) return cannotTell(TTL, sample.ttlsDenied);
  const ours = sample.keys.filter(({ group }) => kinds.some(({ name }) => name === group));
  const eternal = ours.filter(({ hasTtl }) => hasTtl === false);
  const foreign = sample.keys.filter(({ hasTtl }) => hasTtl === false).length - eternal.length;
  const examples = eternal.slice(0, EXAMPLES).map(({ name }) => name);
  const data = { keys: ours.length, without: eternal.length, examples, foreignWithout: foreign };
  const of = sample.isComplete ? "" : " of the sample";
  if (eternal.length === 0) {
    const beside = foreign === 0 ? "" : `; ${plural(foreign, "key")} of others have none`;
    return ok(TTL, `every key of the kit${of} has one (${count(ours.length)})${beside}`, data);
  }
  return failure(TTL, {
    detail: `${plural(eternal.length, "key")} of the kit${of} will never go away: ${examples.join(", ")}.`,
    why: "The kit gives every key a TTL as it writes it, so something else wrote these. They fill the memory, and a limit or session among them never ends.",
    fix: "List them as docs/operations.md shows, then delete them or give them an end (EXPIRE key 3600). If another program uses these prefixes, give the kit its own: createKit({ namespace }).",
    data,
  });
}

function missed({ keys, total }: Sample): Finding[] {
  if (keys.length > 0 || (total ?? 0) === 0) return [];
  return [
    warning(KEYS, {
      detail: `The server holds ${plural(total!, "key")}, and SCAN shows none.`,
      why: "The store's all(), ids() and clear() would find nothing either.",
      fix: "Look at another database number (SELECT), or at what stands between here and Redis.",
    }),
  ];
}

/** A bounded look at all keys. */
export const keys: Check = {
  ...KEYS,
  run: async ({ servers, kinds, config }) => {
    const bounds = config.target.kind === "rest" ? BOUNDS_REST : BOUNDS;
    const senders = servers.map(({ sender }) => sender);
    const sample = await sampleKeys(senders, kinds, bounds);
    if ("denied" in sample) {
      return [cannotTell(TTL, sample.denied), cannotTell(KEYS, sample.denied)];
    }
    const nothing = missed(sample);
    return nothing.length > 0 ? nothing : [judgeTtls(sample, kinds), describe(sample, kinds)];
  },
};
