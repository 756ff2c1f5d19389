/**
 * A Cluster: one link to each master, and the way of a command to the one that holds its key.
 *
 * ioredis's own Cluster is not used: after a closed connection it sends again what may have run, and it
 * loses TLS in silence. Here a command is sent again only where the server said that it did not run
 * (MOVED, ASK, TRYAGAIN, CLUSTERDOWN, …) or where it certainly was not sent.
 */
import calculateSlot from "cluster-key-slot";
import type { KitError } from "../../errors.ts";
import type { Channel, Command, SendOptions } from "../channel.ts";
import { kitClosed, wordsOf } from "../diagnosis.ts";
import type { ConnectionEvents } from "../port.ts";
import { ClusterSubscriptions } from "./cluster-subscriptions.ts";
import type { Link } from "./link.ts";
import { Nodes, type NodesPlan } from "./nodes.ts";
import { pushOver } from "./push.ts";
import { readRedirection } from "./topology.ts";

/** Milliseconds between two tries of a command that did not run, while a failover or a move is under way. */
const FIRST_PAUSE = 20;
const LONGEST_PAUSE = 150;

/** Redirections that are followed without a pause: a move, and a failover right after it. */
const AT_ONCE = 2;

/** The server refused it before it ran, and another server or a later moment will do. */
const NOT_NOW = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|LOADING|MASTERDOWN|READONLY)\b/;

/** Where a command is tried next; without a link, at whoever owns its slot by then. */
interface Turn {
  readonly link: Link | undefined;
  /** The slot is being moved there: the node answers only after ASKING. */
  readonly isAsking: boolean;
}

/** One command's way. */
class Journey {
  readonly #nodes: Nodes;
  readonly #command: Command;
  readonly #options: SendOptions;
  readonly #slot: number | undefined;
  readonly #started = performance.now();
  readonly #budget: number;
  #pause = FIRST_PAUSE;
  #redirections = 0;

  constructor(nodes: Nodes, command: Command, options: SendOptions, slot: number | undefined) {
    this.#nodes = nodes;
    this.#command = command;
    this.#options = options;
    this.#slot = slot;
    this.#budget = options.within ?? nodes.budget();
  }

  #left(): number {
    return this.#budget - (performance.now() - this.#started);
  }

  /** Tries until it ran, may have run, or the time is over. */
  async travel(from: Turn): Promise<unknown> {
    const link = from.link ?? (await this.#nodes.untilOwned(this.#slot, this.#left()));
    try {
      return await this.#send(link, from.isAsking);
    } catch (error) {
      return this.travel(await this.redirect(error as KitError, link));
    }
  }

  async #send(link: Link, isAsking: boolean): Promise<unknown> {
    if (isAsking) await link.ready(Math.max(1, this.#left()));
    const options = { ...this.#options, within: Math.max(1, this.#left()) };
    if (!isAsking) return link.send(this.#command, options);
    // Both in one tick, so that nothing comes between.
    const asking = link.send(["ASKING"], { within: options.within });
    asking.catch(() => {}); // Where it matters, the command fails too.
    return link.send(this.#command, options);
  }

  /** A failover or a move is under way: each pause is longer than the one before it. */
  async #rest(): Promise<void> {
    await new Promise((resolve) => {
      setTimeout(resolve, this.#pause);
    });
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  /** What to do about a failure; throws it where there is nothing to be done. */
  async redirect(failure: KitError, from: Link): Promise<Turn> {
    if (failure.outcome !== "notSent" || this.#nodes.isClosed()) throw failure;
    const words = wordsOf(failure);
    const redirection = readRedirection(words, this.#nodes.hostOf(from));
    if (redirection && (await this.#mayFollow())) {
      const { slot, to } = redirection;
      // No topology names whom a slot is still on its way to, so an ASK is followed as it is.
      if (words.startsWith("ASK")) return { link: this.#nodes.linkTo(to), isAsking: true };
      if (!this.#nodes.isNamed(to)) return this.#again(failure, this.#left());
      return { link: this.#nodes.moved(slot, to), isAsking: false };
    }
    if (failure.code === "KIT_CLOSED") return this.#again(this.#nodes.hasLeft(), this.#left());
    if (NOT_NOW.test(words)) return this.#again(failure, this.#left());
    if (failure.code !== "REDIS_UNAVAILABLE") throw failure;
    // A server that is known to be away is not waited for by each command anew.
    return this.#again(failure, Math.min(this.#left(), from.patience()));
  }

  /** Nodes that disagree send a command to and fro; after two redirections it pauses before each. */
  async #mayFollow(): Promise<boolean> {
    this.#redirections += 1;
    if (this.#redirections <= AT_ONCE) return this.#left() > 0;
    if (this.#left() <= this.#pause) return false;
    await this.#rest();
    return true;
  }

  /** Once more at whoever owns the slot by then, if there is time. */
  async #again(failure: KitError, left: number): Promise<Turn> {
    if (left <= this.#pause) throw failure;
    this.#nodes.refresh();
    await this.#rest();
    return { link: undefined, isAsking: false };
  }
}

/** Opens a Cluster; it finds its nodes, connects, and follows failovers by itself. */
export function openCluster(plan: NodesPlan, events: ConnectionEvents): Channel {
  const subscriptions = new ClusterSubscriptions(() => nodes.ownerOf(undefined));
  const nodes: Nodes = new Nodes(plan, events, () => subscriptions.follow());
  const send = (command: Command, options: SendOptions = {}): Promise<unknown> => {
    if (nodes.isClosed() && options.within === undefined) return Promise.reject(kitClosed());
    const slot = options.key === undefined ? undefined : calculateSlot(options.key);
    const journey = new Journey(nodes, command, options, slot);
    const link = nodes.ownerOf(slot);
    if (!link?.isUp()) return journey.travel({ link: undefined, isAsking: false });
    return link
      .send(command, options)
      .catch(async (error: KitError) => journey.travel(await journey.redirect(error, link)));
  };
  /** By one node, so that all messages of a channel come in one order; by any while that one is away. */
  const publish = (channel: string, message: string): Promise<unknown> => {
    const usual = nodes.ownerOf(calculateSlot(channel));
    const isAway = usual?.state().state === "down" || usual?.patience() === 0;
    return send(["PUBLISH", channel, message], isAway ? {} : { key: channel });
  };
  return {
    deadline: () => nodes.budget(),
    send,
    masters: () => nodes.masters(),
    isSharded: true,
    isTextOnly: false,
    push: pushOver({
      publish,
      subscribe: (channel, hearer) => subscriptions.subscribe(channel, hearer),
      report: (error) => events.error(error),
    }),
    textOf: (script) => script,
    ready: () => nodes.ready(),
    close: () => nodes.close(),
    state: () => nodes.state(),
  };
}
