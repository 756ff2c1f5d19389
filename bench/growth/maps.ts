/** Every map of this process that holds much or has a bound, as V8's debugger sees it. */
import { Session } from "node:inspector/promises";
import { LRUCache } from "lru-cache";

/** One map. */
export interface MapFinding {
  /** What its owner calls it. */
  readonly name: string;
  readonly size: number;
  /** The most entries that it may have; null where nothing bounds it. */
  readonly max: number | null;
}

/** Maps and Sets without a bound are looked at from so many entries on. */
export const MUCH = 1000;

/** What is read here of a heap snapshot. */
interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly edge_fields: readonly string[];
      readonly edge_types: readonly [readonly string[], ...unknown[]];
    };
  };
  readonly nodes: readonly number[];
  readonly edges: readonly number[];
  readonly strings: readonly string[];
}

/** Who refers to an object, and by which name. */
interface Reference {
  readonly owner: string;
  readonly ownerId: number;
  readonly name: string;
}

/** Edges that bear names of the program's text: fields, and variables that closures share. */
const NAMED = new Set(["property", "context"]);

/** Classes that are one map each: it is their owner's name that tells what is in it. */
const WRAPPERS = new Set(["Hints"]);

/** The bounds of plain Maps that their owners keep themselves. */
const KEPT_BY_OWNER: Readonly<Record<string, number>> = { "Changes.#times": 10_000 };

const GROUP = { objectGroup: "maps" };

/** Runs in the page's stead; `this` is a list of maps. Prototypes are among them, and have no size. */
const FILTER = `function () {
  return this.filter((one) => {
    try { return one.max === undefined ? one.size > ${MUCH} : one.size >= 0 }
    catch { return false }
  })
}`;
const SIZES = "function () { return this.map(({ size, max = null }) => ({ size, max })) }";

async function takeSnapshot(session: Session): Promise<Snapshot> {
  const chunks: string[] = [];
  session.on("HeapProfiler.addHeapSnapshotChunk", ({ params }) => void chunks.push(params.chunk));
  await session.post("HeapProfiler.takeHeapSnapshot", {});
  return JSON.parse(chunks.join("")) as Snapshot;
}

/** All named references to some objects, by the object's id. */
function referencesTo(
  { snapshot, nodes, edges, strings }: Snapshot,
  ids: ReadonlySet<number>,
): Map<number, Reference[]> {
  const { node_fields: nodeFields, edge_fields: edgeFields, edge_types: edgeTypes } = snapshot.meta;
  const [nodeWidth, edgeWidth] = [nodeFields.length, edgeFields.length];
  const [name, id, count] = ["name", "id", "edge_count"].map((one) => nodeFields.indexOf(one));
  const found = new Map<number, Reference[]>();
  let edge = 0;
  for (let node = 0; node < nodes.length; node += nodeWidth) {
    for (let left = nodes[node + count!]!; left > 0; left -= 1, edge += edgeWidth) {
      const [type, label, to] = [edges[edge]!, edges[edge + 1]!, edges[edge + 2]!];
      const target = nodes[to + id!]!;
      if (!ids.has(target) || !NAMED.has(edgeTypes[0][type]!)) continue;
      const reference = {
        owner: strings[nodes[node + name!]!]!,
        ownerId: nodes[node + id!]!,
        name: strings[label]!,
      };
      found.set(target, [...(found.get(target) ?? []), reference]);
    }
  }
  return found;
}

/** The reference that says most: `this` says nothing. */
function tellingOf(references: readonly Reference[] = []): Reference | undefined {
  return references.find(({ name }) => name !== "this") ?? references[0];
}

/** What the owners of some objects call them; of an object in a wrapper, what the wrapper is called. */
function namesOf(snapshot: Snapshot, references: ReadonlyMap<number, Reference[]>) {
  const telling = new Map([...references].map(([id, all]) => [id, tellingOf(all)]));
  const wrappers = [...telling.values()].filter((one) => WRAPPERS.has(one?.owner ?? ""));
  const outer = referencesTo(snapshot, new Set(wrappers.map((one) => one!.ownerId)));
  return (id: number): string => {
    const inner = telling.get(id);
    const { owner, name } = tellingOf(outer.get(inner?.ownerId ?? -1)) ?? inner ?? {};
    if (owner === undefined) return "(unnamed)";
    // A closure's scope has no name.
    return owner.startsWith("system") ? `${name}` : `${owner}.${name}`;
  };
}

/** The objects under one prototype that are worth a look: sizes, bounds, and ids in the snapshot. */
async function list(session: Session, prototype: string) {
  const { result } = await session.post("Runtime.evaluate", { expression: prototype, ...GROUP });
  const all = await session.post("Runtime.queryObjects", {
    prototypeObjectId: result.objectId!,
    ...GROUP,
  });
  const some = await session.post("Runtime.callFunctionOn", {
    objectId: all.objects.objectId!,
    functionDeclaration: FILTER,
    ...GROUP,
  });
  const objectId = some.result.objectId!;
  const sizes = await session.post("Runtime.callFunctionOn", {
    objectId,
    functionDeclaration: SIZES,
    returnByValue: true,
  });
  const members = await session.post("Runtime.getProperties", { objectId, ownProperties: true });
  const found = [];
  for (const [index, { size, max }] of (
    sizes.result.value as Omit<MapFinding, "name">[]
  ).entries()) {
    const member = members.result.find(({ name }) => name === String(index));
    const { heapSnapshotObjectId } = await session.post("HeapProfiler.getHeapObjectId", {
      objectId: member!.value!.objectId!,
    });
    found.push({ id: Number(heapSnapshotObjectId), size, max });
  }
  return found;
}

/** Looks at all of them. Stops the process for seconds, so nothing should be measured meanwhile. */
export async function mapsOf(): Promise<MapFinding[]> {
  const session = new Session();
  session.connect();
  Object.assign(globalThis, { LRUCache });
  try {
    // Objects have ids from their first snapshot on.
    const snapshot = await takeSnapshot(session);
    const bounded = await list(session, "LRUCache.prototype");
    const plain = [
      ...(await list(session, "Map.prototype")),
      ...(await list(session, "Set.prototype")),
    ];
    const boundedIds = new Set(bounded.map(({ id }) => id));
    const references = referencesTo(snapshot, new Set([...bounded, ...plain].map(({ id }) => id)));
    const isInBounded = ({ id }: { id: number }): boolean =>
      references.get(id)?.some(({ ownerId }) => boundedIds.has(ownerId)) ?? false;
    const nameOf = namesOf(snapshot, references);
    return [...bounded, ...plain.filter((one) => !isInBounded(one))]
      .map(({ id, size, max }) => ({ name: nameOf(id), size, max }))
      .map((map) => ({ ...map, max: map.max ?? KEPT_BY_OWNER[map.name] ?? null }))
      .toSorted((one, other) => other.size - one.size);
  } finally {
    await session.post("Runtime.releaseObjectGroup", GROUP);
    session.disconnect();
    Reflect.deleteProperty(globalThis, "LRUCache");
  }
}
