/** One request on its way through the cache: from memory, from Redis, from whoever makes it, or from its handler. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { KitError } from "../errors.ts";
import type { Lease, Turn } from "./coalescing.ts";
import type { Engine } from "./engine.ts";
import { freshen } from "./freshening.ts";
import { type Judgement, judgeFreshness } from "./freshness.ts";
import { type Demands, demandsOf } from "./http/directives.ts";
import type { Lookup } from "./lookup.ts";
import type { CachePlan } from "./options.ts";
import { type Outcome, record } from "./response/recording.ts";
import {
  answerNotCached,
  answerWith,
  hitStatus,
  isAnswered,
  setCacheStatus,
  takeBack,
} from "./response/reply.ts";
import { afterAnswer, canLiveTwice } from "./response/second-life.ts";
import type { Entry } from "./store/entry.ts";
import type { Place } from "./store/place.ts";
import type { Found } from "./store/store.ts";

/** A request, and where its response is kept. */
export interface Passage {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly place: Place;
  readonly next: (error?: unknown) => void;
}

/** A request whose response has been looked for. */
interface Looked extends Passage {
  readonly found: Found;
  readonly demands: Demands | undefined;
  readonly judgement: Judgement | undefined;
  /** It waits for nobody. */
  readonly isAlone?: boolean;
  /** Of the memory tier, when the lookup began. */
  readonly generation: number;
}

/** Serves the requests of one `cache()`. */
export class Serving {
  readonly #engine: Engine;
  readonly #plan: CachePlan;
  readonly #lookup: Lookup;

  constructor(engine: Engine, plan: CachePlan, lookup: Lookup) {
    this.#engine = engine;
    this.#plan = plan;
    this.#lookup = lookup;
  }

  serve(passage: Passage): void {
    const { request, place } = passage;
    if (this.#engine.overdue.concerns(place.versionKeys)) {
      this.#forwardWithout(passage, "purge-overdue");
      return;
    }
    const demands = this.#plan.isOrigin ? demandsOf(request.headers) : undefined;
    const entry = this.#lookup.near(place);
    const judgement = entry && judgeFreshness(entry, undefined, demands);
    if (judgement?.use === "fresh" && this.#hit(passage, entry!, judgement.ttl)) return;
    this.#look(passage, demands);
  }

  #look(passage: Passage, demands: Demands | undefined): void {
    const { request, response, place } = passage;
    const { found: finding, generation } = this.#lookup.begin(request, response, place);
    void finding.then(
      (found) => this.#use(passage, found, demands, generation),
      (error: unknown) => this.#fail(passage, error),
    );
  }

  #use(passage: Passage, found: Found, demands: Demands | undefined, generation: number): void {
    if (isAnswered(passage.response)) return;
    const { entry, expiredAt, vary } = found;
    const judgement = entry && judgeFreshness(entry, expiredAt, demands);
    if (judgement?.use === "fresh" && this.#hit(passage, entry!, judgement.ttl)) {
      this.#lookup.keep(passage.place, { entry: entry!, vary }, generation);
      return;
    }
    const looked: Looked = { ...passage, found, demands, judgement, generation };
    if (judgement?.use !== "stale" || !this.#serveStale(looked, entry!, judgement.ttl)) {
      void this.#make(looked);
    }
  }

  #hit(passage: Passage, entry: Entry, ttl: number): boolean {
    return this.#answer(passage, entry, hitStatus(ttl), "hit");
  }

  /** Answers false where Node refuses the entry, which somebody else must have written. */
  #answer(
    { request, response, place }: Passage,
    entry: Entry,
    cacheStatus: string,
    outcome: "hit" | "stale" | "collapsed",
    detail?: string,
  ): boolean {
    try {
      answerWith(request, response, entry, cacheStatus);
    } catch (error) {
      if (response.headersSent) throw error;
      takeBack(response, entry);
      return false;
    }
    this.#engine.teller.tell(place.template, outcome, detail);
    return true;
  }

  /** Redis could not be asked. */
  #fail(passage: Passage, error: unknown): void {
    this.#engine.report("reading the cache")(error);
    if (isAnswered(passage.response)) return;
    this.#forwardWithout(passage, error instanceof KitError ? error.code : "error");
  }

  /** The handler answers, and nothing is stored. */
  #forwardWithout({ response, place, next }: Passage, detail: string): void {
    setCacheStatus(response, `fwd=miss; detail=${detail}`);
    this.#engine.teller.tell(place.template, "miss", detail);
    next();
  }

  #serveStale(looked: Looked, entry: Entry, ttl: number): boolean {
    const { request, response } = looked;
    const isRefreshing = request.method === "GET" && !looked.demands?.noStore;
    if (isRefreshing && !canLiveTwice(response)) {
      void this.#refreshFirst(looked, entry, ttl);
      return true;
    }
    const before = isRefreshing ? { ...response.getHeaders() } : {};
    const isServed = this.#answer(looked, entry, hitStatus(ttl), "stale");
    if (isServed && isRefreshing) void this.#refresh(looked, before);
    return isServed;
  }

  async #refresh(looked: Looked, fields: OutgoingHttpHeaders): Promise<void> {
    const lease = await this.#leaseFor(looked);
    if (lease === undefined) return;
    afterAnswer(looked.request, looked.response, fields, {
      live: () => this.#run(looked, lease, true),
      leave: () => lease.abandon(),
    });
  }

  /** Where nobody can be served while the handler runs on the same response, the one who refreshes waits. */
  async #refreshFirst(looked: Looked, entry: Entry, ttl: number): Promise<void> {
    const lease = await this.#leaseFor(looked);
    if (isAnswered(looked.response)) lease?.abandon();
    else if (lease) this.#forward(looked, lease);
    else if (!this.#answer(looked, entry, hitStatus(ttl), "stale")) void this.#make(looked);
  }

  async #leaseFor({ place, found }: Looked): Promise<Lease | undefined> {
    try {
      return await this.#engine.coalescing.lead({ place, found, collapse: this.#plan.collapse });
    } catch (error) {
      this.#engine.report("refreshing the cache")(error);
      return undefined;
    }
  }

  async #make(looked: Looked): Promise<void> {
    const { request, response, place, demands, next } = looked;
    const { teller } = this.#engine;
    if (demands?.onlyIfCached) {
      teller.tell(place.template, "miss", "only-if-cached");
      return answerNotCached(response);
    }
    if (request.method === "HEAD" || demands?.noStore) {
      if (this.#plan.isOrigin && !demands?.noStore) {
        freshen(this.#engine, this.#plan, looked);
      }
      setCacheStatus(response, `fwd=${reasonOf(looked)}`);
      teller.tell(place.template, "miss");
      return next();
    }
    let turn: Turn;
    try {
      turn = await this.#turnFor(looked);
    } catch (error) {
      return this.#fail(looked, error);
    }
    if (turn === "gone") return;
    if (isAnswered(response)) {
      if (typeof turn === "object" && "lease" in turn) turn.lease.abandon();
      return;
    }
    if (turn === "covered") return this.#cover(looked);
    if ("lease" in turn) return this.#forward(looked, turn.lease);
    const status = `fwd=${reasonOf(looked)}; collapsed`;
    const isServed = this.#answer(looked, turn.followed, status, "collapsed");
    if (!isServed) void this.#make({ ...looked, isAlone: true });
  }

  /** Another one's handler failed: for this request, what it found stands in as well. */
  #cover(looked: Looked): void {
    const { found, judgement } = looked;
    const status = `fwd=${reasonOf(looked)}; collapsed; detail=stale-if-error`;
    const isServed =
      judgement!.coversError &&
      this.#answer(looked, found.entry!, status, "stale", "stale-if-error");
    if (!isServed) void this.#make({ ...looked, isAlone: true });
  }

  #turnFor({ request, response, place, found, demands, isAlone }: Looked): Promise<Turn> {
    const gone = new AbortController();
    if (isAnswered(response)) gone.abort(); // Its `close` has been told.
    else response.once("close", () => gone.abort());
    // Who will not have what is stored will not have what others began to make before, either.
    const isPicky = isAlone || demands?.noCache === true || demands?.maxAge !== undefined;
    const collapse = isPicky ? undefined : this.#plan.collapse;
    return this.#engine.coalescing.take({
      place,
      found,
      collapse,
      gone: gone.signal,
      owner: request,
    });
  }

  #forward(looked: Looked, lease: Lease): void {
    this.#engine.teller.tell(looked.place.template, "miss");
    this.#run(looked, lease);
  }

  /** Runs the handler, and keeps what it answers. */
  #run(looked: Looked, lease: Lease, isDetached = false): void {
    const engine = this.#engine;
    const { request, response, place, found, judgement, next } = looked;
    const previous = found.entry && { entry: found.entry, coversError: judgement!.coversError };
    const { versions } = lease;
    const forwarded = reasonOf(looked);
    const assignment = { plan: this.#plan, place, versions, forwarded, isDetached, previous };
    try {
      record(request, response, assignment, this.#outcomeOf(looked, lease));
    } catch (error) {
      // Nothing has been asked yet: whatever the response cannot do, the request goes on.
      lease.abandon();
      engine.report("watching a response")(error);
    }
    next();
  }

  #outcomeOf({ place, generation }: Looked, lease: Lease): Outcome {
    const { teller, report } = this.#engine;
    const refused = (reason: string): void => teller.tell(place.template, "refused", reason);
    return {
      stored: (product, detail) => {
        this.#lookup.keep(place, product, generation);
        lease
          .keep(product)
          .then((isKept) =>
            isKept ? teller.tell(place.template, "stored", detail) : refused("purged"),
          )
          .catch(report("storing a response"));
      },
      refused: (reason, status) => {
        lease.refuse(status >= 500);
        refused(reason);
      },
      aborted: () => {
        lease.abandon();
        refused("aborted");
      },
      covered: (status) => {
        lease.cover();
        refused(`status-${status}`);
        teller.tell(place.template, "stale", "stale-if-error");
      },
    };
  }
}

/** Why a handler is asked (RFC 9211, section 2.2). */
function reasonOf({ found, judgement }: Looked): string {
  if (judgement?.isUnwanted && judgement.ttl > 0) return "request";
  if (found.entry !== undefined) return "stale";
  return found.isVaryMiss ? "vary-miss" : "miss";
}
