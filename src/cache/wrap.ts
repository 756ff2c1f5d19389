/** `cache.wrap()`: any value, kept as responses are. */
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";
import type { CacheSettings } from "../config/cache-defaults.ts";
import { checkOptions, parseFunction, parseNames } from "../validate.ts";
import type { CacheEvent } from "../observe/events.ts";
import type { Lease, Turn, Work } from "./coalescing.ts";
import type { Engine } from "./engine.ts";
import {
  type EngineOptions,
  type EnginePlan,
  type Life,
  type LifeOptions,
  parseEngine,
  parseLife,
} from "./engine-options.ts";
import { judgeFreshness } from "./freshness.ts";
import { missingParam, type Params, parseTag, parseTemplate, pathOf } from "./template.ts";
import { termsOfLife } from "./response/terms.ts";
import type { Entry } from "./store/entry.ts";
import type { Place } from "./store/place.ts";
import type { Found } from "./store/store.ts";
import type { Tier } from "./store/tier.ts";
import { decodeValue, encodeValue, shapeOf } from "./value.ts";

/** Options of `cache.wrap()`. */
export interface WrapOptions extends LifeOptions, EngineOptions {
  /** Fill the `[params]` of the key and of the tags. */
  params?: Params;
  /** What `purgeTag()` takes back together. Default: none. */
  tags?: readonly string[];
}

/** See `cache.wrap`. */
export type Wrap = <T>(
  key: string,
  loader: () => T | Promise<T>,
  options?: WrapOptions,
) => Promise<T>;

interface WrapPlan extends EnginePlan {
  readonly life: Life;
  readonly tags: readonly string[];
  readonly tier: Tier | undefined;
}

const KNOWN: readonly (keyof WrapOptions)[] = [
  "params",
  "tags",
  "ttl",
  "stale",
  "staleIfError",
  "collapse",
  "memory",
  "maxBytes",
];

/** Names the one variant of a value. */
const HASH = "value";
const NONE: WrapOptions = {};

/** Makes `wrap()` of one kit. */
export function createWrap(context: Context, engine: Engine): Wrap {
  const planOf = planner(context.config.cache, engine);
  return async <T>(key: string, loader: () => T | Promise<T>, options: WrapOptions = NONE) => {
    parseFunction("loader", loader);
    const plan = planOf(options);
    const place = placeOf(context, key, plan.tags, options.params ?? {});
    return (await new Use(engine, plan, place, loader).value()) as T;
  };
}

/** Calls with the same `memory` share one tier. */
function planner(defaults: CacheSettings, engine: Engine): (options: WrapOptions) => WrapPlan {
  const tiers = new Map<string, Tier | undefined>();
  return (options) => {
    checkOptions("cache.wrap()", options, KNOWN);
    const parsed = parseEngine(options, defaults);
    const size = parsed.memory && `${parsed.memory.max} ${parsed.memory.ttl}`;
    if (size !== undefined && !tiers.has(size)) tiers.set(size, engine.tiers.open(parsed.memory));
    const plan: WrapPlan = {
      ...parsed,
      life: parseLife(options),
      tags: parseNames("tags", options.tags ?? []),
      tier: size === undefined ? undefined : tiers.get(size),
    };
    return plan;
  };
}

function placeOf({ keys }: Context, key: string, tags: readonly string[], params: Params): Place {
  const template = parseTemplate(key);
  const named = [template, ...tags.map(parseTag)];
  for (const each of named) {
    const missing = missingParam(each, params);
    if (missing === undefined) continue;
    throw new KitError("CACHE_KEY_INCOMPLETE", {
      message: `cache.wrap() was given no param '${missing}', which '${each.text}' names.`,
      fix: `Pass it: { params: { ${missing}: … } }.`,
    });
  }
  const [path, ...tagPaths] = named.map((each) => pathOf(each, params));
  const resource = keys.cache(path!);
  return {
    template: key,
    path: path!,
    versionKeys: [resource, ...tagPaths.map((tag) => keys.cacheTag(tag))],
    hash: HASH,
    variantKey: keys.cacheVariant(resource, HASH),
    isAnonymous: false,
    isPlain: true,
  };
}

/** One call. */
class Use {
  readonly #engine: Engine;
  readonly #plan: WrapPlan;
  readonly #place: Place;
  readonly #loader: () => unknown;
  readonly #generation: number;

  constructor(engine: Engine, plan: WrapPlan, place: Place, loader: () => unknown) {
    this.#engine = engine;
    this.#plan = plan;
    this.#place = place;
    this.#loader = loader;
    this.#generation = plan.tier?.generation() ?? 0;
  }

  async value(): Promise<unknown> {
    if (this.#engine.overdue.concerns(this.#place.versionKeys)) {
      this.#tell("miss", "purge-overdue");
      return shapeOf(await this.#loader());
    }
    const near = this.#plan.tier?.get(this.#place);
    if (near !== undefined && judgeFreshness(near).use === "fresh")
      return this.#served("hit", near);
    let found: Found;
    let turn: Turn;
    try {
      found = await this.#engine.store.find(this.#place);
      const { entry, expiredAt } = found;
      const use = entry && judgeFreshness(entry, expiredAt).use;
      if (use === "fresh") return this.#hit(entry!);
      if (use === "stale") {
        void this.#refresh(found);
        return this.#served("stale", entry!);
      }
      turn = await this.#engine.coalescing.take({ ...this.#workOn(found), gone: undefined });
    } catch (error) {
      this.#engine.report("reading the cache")(error);
      this.#tell("miss", error instanceof KitError ? error.code : "error");
      return shapeOf(await this.#loader());
    }
    if (turn === "covered") {
      const isCovered = judgeFreshness(found.entry!, found.expiredAt).coversError;
      if (!isCovered) return shapeOf(await this.#loader());
      this.#tell("stale", "stale-if-error");
      return decodeValue(found.entry!);
    }
    if (turn !== "gone" && "followed" in turn) return this.#served("collapsed", turn.followed);
    this.#tell("miss");
    return this.#make(found, (turn as { lease: Lease }).lease);
  }

  #tell(outcome: CacheEvent["outcome"], detail?: string): void {
    this.#engine.teller.tell(this.#place.template, outcome, detail);
  }

  #workOn(found: Found): Work {
    return { place: this.#place, found, collapse: this.#plan.collapse };
  }

  #hit(entry: Entry): unknown {
    this.#plan.tier?.put(this.#place, { entry }, this.#generation);
    return this.#served("hit", entry);
  }

  #served(outcome: "hit" | "stale" | "collapsed", entry: Entry): unknown {
    this.#tell(outcome);
    return decodeValue(entry);
  }

  async #refresh(found: Found): Promise<void> {
    try {
      const lease = await this.#engine.coalescing.lead(this.#workOn(found));
      if (lease) await this.#make(found, lease);
    } catch (error) {
      // A loader's own error is told as a refusal; whoever asks when nothing is left gets it.
      if (error instanceof KitError) this.#engine.report("refreshing the cache")(error);
    }
  }

  async #make({ entry, expiredAt }: Found, lease: Lease): Promise<unknown> {
    let made: unknown;
    try {
      made = await this.#loader();
    } catch (error) {
      this.#tell("refused", "error");
      if (entry === undefined || !judgeFreshness(entry, expiredAt).coversError) {
        lease.refuse(true);
        throw error;
      }
      lease.cover();
      this.#tell("stale", "stale-if-error");
      return decodeValue(entry);
    }
    const encoded = encodeValue(made);
    if (encoded === undefined) return this.#refuse(lease, "not-json", made);
    if (encoded.body.length > this.#plan.maxBytes)
      return this.#refuse(lease, "too-long", decodeValue(encoded));
    return this.#keep(lease, encoded);
  }

  #refuse(lease: Lease, reason: string, made?: unknown): unknown {
    lease.refuse();
    this.#tell("refused", reason);
    return made;
  }

  #keep(lease: Lease, encoded: Pick<Entry, "fields" | "body">): unknown {
    const { bornAt, freshUntil, stale, staleIfError, keep } = termsOfLife(this.#plan.life);
    const entry: Entry = {
      versions: lease.versions,
      hash: HASH,
      status: 200,
      bornAt,
      storedAt: bornAt,
      freshUntil,
      stale,
      staleIfError,
      ...encoded,
    };
    this.#plan.tier?.put(this.#place, { entry }, this.#generation);
    lease
      .keep({ entry, ttl: freshUntil - bornAt + keep })
      .then((isKept) => (isKept ? this.#tell("stored") : this.#tell("refused", "purged")))
      .catch(this.#engine.report("storing a value"));
    return decodeValue(entry);
  }
}
