/** The links to a Cluster's masters, kept in step with who holds which slots. */
import type { Endpoint } from "../../config/redis-target.ts";
import type { KitError } from "../../errors.ts";
import { type Attempt, kitClosed, unavailable, wordsOf } from "../diagnosis.ts";
import type { ConnectionEvents, ConnectionState } from "../port.ts";
import { Availability } from "./availability.ts";
import type { NamedEndpoint } from "./destination.ts";
import type { Link } from "./link.ts";
import { addressOf, readTopology, type Topology } from "./topology.ts";

/** Whom to ask, and how a link is made. Times are milliseconds. */
export interface NodesPlan {
  /** Whom to ask first who holds what. */
  readonly seeds: readonly Endpoint[];
  /** The Cluster as errors call it. */
  readonly attempt: Attempt;
  readonly deadline: number;
  readonly connectDeadline: number;
  open(endpoint: NamedEndpoint, events: ConnectionEvents): Link;
}

interface Node {
  readonly link: Link;
  readonly host: string;
  readonly name: string | undefined;
  /** When a redirection led there, by `performance.now()`. */
  askedAt?: number;
}

/** Milliseconds for which a node that holds no slot is kept after a redirection led there. */
const KEEP = 10_000;
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 400;

function shuffled<T>(items: Iterable<T>): T[] {
  return [...items]
    .map((item) => ({ item, place: Math.random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** The nodes of one Cluster. */
export class Nodes {
  readonly #plan: NodesPlan;
  readonly #availability: Availability;
  readonly #onChange: () => void;
  /** By address: the masters, and whom a redirection named. */
  readonly #nodes = new Map<string, Node>();
  #owners: (Node | undefined)[] = [];
  /** Each once. */
  #masters: Node[] = [];
  #replicas: readonly NamedEndpoint[] = [];
  #isRefreshing = false;
  readonly #onKnown = new Set<() => void>();
  /** By address: what else a node is called. */
  #names = new Map<string, string | undefined>();
  #haveNames = false;
  #timer: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  #isClosed = false;

  /** `onChange` is told whenever one of them is up, or is not any more. */
  constructor(plan: NodesPlan, events: ConnectionEvents, onChange: () => void) {
    this.#plan = plan;
    this.#onChange = onChange;
    this.#availability = new Availability({ ...plan, attempt: () => plan.attempt }, events);
    this.refresh();
  }

  /** The master of a slot; any master that answers where there is no slot; undefined before all is known. */
  ownerOf(slot: number | undefined): Link | undefined {
    if (slot !== undefined) return this.#owners[slot]?.link;
    const chosen = this.#masters[Math.floor(Math.random() * this.#masters.length)];
    if (chosen?.link.isUp()) return chosen.link;
    return (this.#masters.find(({ link }) => link.isUp()) ?? chosen)?.link;
  }

  /** Waits until it is known who holds what, and answers the master of a slot. */
  async untilOwned(slot: number | undefined, within: number): Promise<Link> {
    if (this.#masters.length === 0) await this.#untilKnown(within);
    const owner = this.ownerOf(slot);
    if (owner) return owner;
    this.refresh();
    throw unavailable(this.#plan.attempt, `nobody holds slot ${slot}`);
  }

  /** Resolves when it is known who holds what, whether or not all of them are up. */
  async #untilKnown(within: number): Promise<void> {
    let admit!: () => void;
    const known = new Promise<void>((resolve) => (admit = resolve));
    this.#onKnown.add(admit);
    try {
      await Promise.race([known, this.#availability.untilUp(within)]);
    } finally {
      this.#onKnown.delete(admit);
    }
  }

  /** A link to a node that a redirection named. */
  linkTo(endpoint: NamedEndpoint): Link {
    const node = this.#nodeNamed(endpoint);
    node.askedAt = performance.now();
    return node.link;
  }

  /** A redirection names an address alone; what its certificate is called, the topology may have said. */
  #nodeNamed(endpoint: NamedEndpoint): Node {
    const name = this.#names.get(addressOf(endpoint));
    return this.#nodeAt({ ...endpoint, name });
  }

  /**
   * Whether a certificate could be judged at this address. Where nodes have names, one that no topology has
   * listed yet, such as a replica that had just started, is known by its address alone.
   */
  isNamed(endpoint: NamedEndpoint): boolean {
    return !this.#haveNames || this.#names.has(addressOf(endpoint));
  }

  /** A slot has a new owner; the rest is asked for. */
  moved(slot: number, endpoint: NamedEndpoint): Link {
    const node = this.#nodeNamed(endpoint);
    this.#owners[slot] = node;
    this.refresh();
    return node.link;
  }

  hostOf(link: Link): string {
    for (const node of this.#nodes.values()) if (node.link === link) return node.host;
    return this.#plan.seeds[0]!.host;
  }

  async masters(): Promise<Link[]> {
    await this.untilOwned(undefined, this.#availability.budget());
    return this.#masters.map(({ link }) => link);
  }

  #nodeAt(endpoint: NamedEndpoint): Node {
    const address = addressOf(endpoint);
    const known = this.#nodes.get(address);
    if (known && (known.name === endpoint.name || endpoint.name === undefined)) return known;
    if (known) void known.link.close();
    const link = this.#plan.open(endpoint, {
      connection: () => this.#judge(),
      error: (error) => {
        this.#onNodeError(error);
        this.#judge();
      },
    });
    const node: Node = { link, host: endpoint.host, name: endpoint.name };
    this.#nodes.set(address, node);
    return node;
  }

  /** While it is not known who holds what, another node may still answer. */
  #onNodeError(error: KitError): void {
    if (this.#masters.length === 0 || this.#availability.isUp()) this.#availability.report(error);
    else this.#availability.fail(error);
  }

  /** Nobody said who holds what: whoever waits for that has sent nothing. */
  #explain(error: KitError): KitError {
    if (error.outcome === "notSent") return error;
    return unavailable(this.#plan.attempt, wordsOf(error) || error.code, error);
  }

  /** The Cluster is up while all its masters are; while one is not, its successor is looked for. */
  #judge(): void {
    if (this.#isClosed || this.#masters.length === 0) return;
    this.#onChange();
    if (this.#masters.every(({ link }) => link.isUp() || link.state().state === "idle")) {
      this.#pause = FIRST_PAUSE;
      this.#availability.up();
    } else {
      if (this.#masters.some(({ link }) => link.state().state === "down"))
        this.#availability.down();
      this.#refreshLater();
    }
  }

  #refreshLater(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.refresh();
    }, this.#pause).unref();
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  /** Asks who holds what, unless that is being asked already. */
  refresh(): void {
    if (this.#isClosed || this.#isRefreshing) return;
    this.#isRefreshing = true;
    this.#learn()
      .catch((error: KitError) => {
        if (this.#masters.length === 0) this.#availability.fail(this.#explain(error));
        this.#refreshLater();
      })
      .finally(() => {
        this.#isRefreshing = false;
        this.#judge();
      });
  }

  async #learn(): Promise<void> {
    let failure: unknown = kitClosed();
    const up = shuffled(this.#nodes.values()).filter(({ link }) => link.isUp());
    for (const { link, host } of up) {
      try {
        // eslint-disable-next-line no-await-in-loop -- the next is asked only where this one fails
        return this.#apply(readTopology(await link.send(["CLUSTER", "SLOTS"]), host));
      } catch (error) {
        failure = error;
      }
    }
    for (const endpoint of [...this.#plan.seeds, ...shuffled(this.#replicas)]) {
      if (this.#isClosed) break;
      try {
        // eslint-disable-next-line no-await-in-loop
        return this.#apply(await this.#askStranger(endpoint));
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** Over a connection that is kept only where it leads to a master. */
  async #askStranger(endpoint: NamedEndpoint): Promise<Topology> {
    const known = this.#nodes.get(addressOf(endpoint));
    const { link, host } = known ?? this.#nodeAt(endpoint);
    const within = Math.max(this.#plan.deadline, this.#plan.connectDeadline * 0.4);
    try {
      return readTopology(await link.send(["CLUSTER", "SLOTS"], { within }), host);
    } catch (error) {
      if (!known) this.#forget(addressOf(endpoint));
      throw error;
    }
  }

  #apply({ owners, masters, replicas }: Topology): void {
    if (this.#isClosed) return;
    if (masters.length === 0) throw unavailable(this.#plan.attempt, "no slot is assigned");
    const byEndpoint = new Map(masters.map((master) => [master, this.#nodeAt(master)]));
    const known = new Set(byEndpoint.values());
    // While a slot moves, a node may see nobody hold it: whoever held it last says where it went.
    const last = (slot: number): Node | undefined => {
      const node = this.#owners[slot];
      return node && known.has(node) ? node : undefined;
    };
    this.#owners = owners.map((owner, slot) => (owner ? byEndpoint.get(owner) : last(slot)));
    this.#masters = [...known];
    for (const admit of this.#onKnown) admit();
    this.#replicas = replicas;
    const all = [...masters, ...replicas];
    this.#names = new Map(all.map((node) => [addressOf(node), node.name]));
    this.#haveNames = all.some(({ name }) => name !== undefined);
    const wanted = new Set(masters.map(addressOf));
    const unwanted = new Set(replicas.map(addressOf));
    for (const [address, node] of this.#nodes) {
      // A master that holds no slot is not listed; one that a slot is moved to is needed all the same.
      const isAsked = performance.now() - (node.askedAt ?? -KEEP) < KEEP;
      if (!wanted.has(address) && (unwanted.has(address) || !isAsked)) this.#forget(address);
    }
  }

  #forget(address: string): void {
    const node = this.#nodes.get(address);
    this.#nodes.delete(address);
    void node?.link.close();
  }

  /** Milliseconds that a command which is asked for now may take. */
  budget(): number {
    return this.#availability.budget();
  }

  /** A command was on its way to a node that is none of the Cluster's any more. */
  hasLeft(): KitError {
    return unavailable(this.#plan.attempt, "the node has left the Cluster");
  }

  isClosed(): boolean {
    return this.#isClosed;
  }

  async ready(): Promise<void> {
    await this.#availability.untilUp();
  }

  state(): ConnectionState {
    return this.#availability.state();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#availability.close();
    await Promise.all([...this.#nodes.values()].map(({ link }) => link.close()));
  }
}
