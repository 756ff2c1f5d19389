/** The channel over a client of the application's: every command answered in time, whatever the client does with it. */
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import type { KitError } from "../../errors.ts";
import { type Breaker, createBreaker } from "../breaker.ts";
import type { Channel, Command, Sender, SendOptions } from "../channel.ts";
import { withDeadline } from "../deadline.ts";
import { kitClosed } from "../diagnosis.ts";
import type { ConnectionEvents, ConnectionState, Guarantee } from "../port.ts";
import type { Obstacle, Wire } from "./wire.ts";

/** Milliseconds between two looks at a client that is not connected: it tells of changes by events, and gets no listeners. */
const GLANCE = 10;

/** What a channel needs to know. Times are milliseconds. */
export interface ClientChannelPlan {
  readonly kind: ConnectionState["kind"];
  /** Deployment and address, without credentials. */
  readonly target: string;
  readonly tls: boolean;
  readonly deadline: number;
  /** In place of `deadline` until the first success. */
  readonly connectDeadline: number;
  unguaranteed(): readonly Guarantee[];
  readonly isSharded: boolean;
  readonly isTextOnly: boolean;
  readonly textOf: Channel["textOf"];
  /** Why commands are not sent for a while, after several in a row got no answer. */
  noAnswer(ms: number): KitError;
}

function mayPassItself(obstacle: Obstacle): boolean {
  return obstacle.mayPass;
}

/** What the application can still mend after it made the kit; a refused socket is none of it. */
function isAboutConnecting({ error }: Obstacle): boolean {
  return error.code === "REDIS_UNAVAILABLE";
}

class ClientChannel implements Omit<Channel, "isSharded" | "isTextOnly" | "push"> {
  readonly #wire: Wire;
  readonly #plan: ClientChannelPlan;
  readonly #events: ConnectionEvents;
  readonly #breaker: Breaker;
  #everReady = false;
  #isUp = false;
  #isClosed = false;
  /** Closed, and nothing is under way any more. */
  #isEnded = false;
  #closing: Promise<void> | undefined;
  #problem: KitError | undefined;
  /** Codes that were reported since commands were last answered. */
  readonly #reported = new Set<string>();
  #inFlight = 0;
  #onDrained = (): void => {};

  constructor(wire: Wire, plan: ClientChannelPlan, events: ConnectionEvents) {
    this.#wire = wire;
    this.#plan = plan;
    this.#events = events;
    this.#breaker = createBreaker({
      probe: () => this.#attempt(wire, ["PING"], {}, plan.deadline),
      onOpen: (problem) => this.#down(problem),
      onClose: () => this.#up(),
    });
  }

  send(command: Command, options: SendOptions = {}): Promise<unknown> {
    return this.#sendOver(this.#wire, command, options);
  }

  async #sendOver(wire: Wire, command: Command, options: SendOptions): Promise<unknown> {
    // The second half of a step that began before the close.
    const isLast = options.within !== undefined && !this.#isEnded;
    if (this.#isClosed && !isLast) throw kitClosed();
    const refusal = this.#breaker.refusal();
    if (refusal) throw refusal;
    this.#inFlight += 1;
    try {
      return await this.#attempt(wire, command, options, options.within ?? this.deadline());
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#onDrained();
    }
  }

  async #attempt(wire: Wire, command: Command, options: SendOptions, ms: number): Promise<unknown> {
    const started = performance.now();
    const obstacle = wire.obstacle(options.key);
    if (obstacle) await this.#overcome(obstacle, () => wire.obstacle(options.key), ms);
    const patience = new AbortController();
    const what = options.what ?? command[0];
    try {
      const left = Math.max(1, ms - (performance.now() - started));
      const sent = wire.transmit(command, options, patience.signal);
      const reply = await withDeadline(sent, left, what);
      this.#answered();
      return reply;
    } catch (error) {
      patience.abort();
      const failure = wire.explain(error, command, what);
      this.#count(failure, ms);
      throw failure;
    }
  }

  /** Waits until nothing stands in the way. */
  async #overcome(
    first: Obstacle,
    next: () => Obstacle | undefined,
    ms: number,
    mayPass: (obstacle: Obstacle) => boolean = mayPassItself,
  ): Promise<void> {
    const end = performance.now() + ms;
    let obstacle: Obstacle | undefined = first;
    while (obstacle !== undefined) {
      if (!mayPass(obstacle) || performance.now() >= end) {
        this.#breaker.failure(obstacle.error);
        this.#down(obstacle.error);
        throw obstacle.error;
      }
      // eslint-disable-next-line no-await-in-loop -- until the client is connected
      await delay(GLANCE);
      // eslint-disable-next-line no-await-in-loop -- what arrived while the event loop was busy is read first
      await nextTurn();
      // A node of a Cluster that is still being connected is worth waiting for.
      if (this.#isClosed && this.#wire.obstacle(undefined)) throw kitClosed();
      obstacle = next();
    }
  }

  #answered(): void {
    this.#breaker.success();
    this.#up();
  }

  #count(failure: KitError, ms: number): void {
    if (failure.code === "REDIS_COMMAND_FAILED") return this.#answered();
    if (failure.code === "REDIS_TIMEOUT") return this.#breaker.failure(this.#plan.noAnswer(ms));
    // Commands lost with their connection say nothing of the next one, which others may wait for.
    const isReconnecting = this.#wire.obstacle(undefined)?.mayPass === true;
    if (!isReconnecting) this.#breaker.failure(this.#plan.noAnswer(ms));
    return this.#down(failure);
  }

  #up(): void {
    if (this.#isClosed || this.#isUp) return;
    this.#everReady = true;
    this.#isUp = true;
    this.#problem = undefined;
    this.#reported.clear();
    this.#events.connection(this.state());
  }

  #down(problem: KitError): void {
    if (this.#isClosed) return;
    this.#problem = problem;
    if (this.#isUp) {
      this.#isUp = false;
      this.#events.connection(this.state());
    }
    if (this.#reported.has(problem.code)) return;
    this.#reported.add(problem.code);
    this.#events.error(problem);
  }

  deadline(): number {
    return this.#everReady ? this.#plan.deadline : this.#plan.connectDeadline;
  }

  async masters(): Promise<readonly Sender[]> {
    if (this.#isClosed) throw kitClosed();
    const ms = this.deadline();
    const obstacle = this.#wire.obstacle(undefined);
    if (obstacle) await this.#overcome(obstacle, () => this.#wire.obstacle(undefined), ms);
    const wires = await withDeadline(this.#wire.masters(), ms, "Finding the masters");
    return wires.map((wire) => ({
      send: (command, options = {}) => this.#sendOver(wire, command, options),
    }));
  }

  textOf(...[script]: Parameters<Channel["textOf"]>): ReturnType<Channel["textOf"]> {
    return this.#plan.textOf(script);
  }

  /** The application may connect its client after it made the kit. */
  async ready(): Promise<void> {
    if (this.#isClosed) throw kitClosed();
    const ms = this.#plan.connectDeadline;
    const started = performance.now();
    const next = () => this.#wire.obstacle(undefined);
    const obstacle = next();
    if (obstacle) {
      await this.#overcome(obstacle, next, ms, isAboutConnecting);
    }
    await this.#attempt(this.#wire, ["PING"], {}, Math.max(1, ms - (performance.now() - started)));
  }

  /** The client itself stays as it is. */
  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    this.#isClosed = true;
    this.#isUp = false;
    this.#breaker.stop();
    do {
      // eslint-disable-next-line no-await-in-loop
      if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onDrained = resolve));
      // eslint-disable-next-line no-await-in-loop -- an answer may lead to one more command
      await nextTurn();
    } while (this.#inFlight > 0);
    this.#isEnded = true;
  }

  state(): ConnectionState {
    const offline = this.#everReady ? "down" : "connecting";
    const online = this.#isUp ? "ready" : offline;
    return {
      kind: this.#plan.kind,
      state: this.#isClosed ? "closed" : online,
      target: this.#plan.target,
      tls: this.#plan.tls,
      problem: this.#problem,
      unguaranteed: this.#plan.unguaranteed(),
    };
  }
}

/** Makes a channel. */
export function createClientChannel(
  wire: Wire,
  plan: ClientChannelPlan,
  events: ConnectionEvents,
): Channel {
  const channel = new ClientChannel(wire, plan, events);
  return {
    send: (command, options) => channel.send(command, options),
    deadline: () => channel.deadline(),
    masters: () => channel.masters(),
    isSharded: plan.isSharded,
    isTextOnly: plan.isTextOnly,
    // What subscribes on somebody else's socket would change what its owner may do with it.
    push: undefined,
    textOf: (script) => channel.textOf(script),
    ready: () => channel.ready(),
    close: () => channel.close(),
    state: () => channel.state(),
  };
}
