/**
 * One server, spoken to over one socket at a time, which is replaced when it is lost: at most once, every
 * command bounded in time, all commands of a tick in one write.
 */
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Redis, type RedisOptions } from "ioredis";
import { KitError } from "../../errors.ts";
import { type Breaker, createBreaker } from "../breaker.ts";
import type { Command, Sender, SendOptions } from "../channel.ts";
import { timedOut, withDeadline } from "../deadline.ts";
import { type Attempt, commandFailed, diagnose, type Phase, unavailable } from "../diagnosis.ts";
import type { ConnectionEvents, ConnectionState } from "../port.ts";
import {
  type Authentication,
  type AuthenticationPlan,
  createAuthentication,
} from "./authentication.ts";
import { Availability } from "./availability.ts";
import { connectorOf } from "./connector.ts";
import { createDeadlines, type Deadlines } from "./deadlines.ts";
import { createIdle, type Idle, type IdlePlan } from "./idle.ts";
import type { Destination } from "./destination.ts";
import { openSocket } from "./socket.ts";
import { createWatchdog, type Watchdog } from "./watchdog.ts";
import { type Fate, WireCommand } from "./wire-command.ts";

/** What {@link openLink} needs to know. Times are milliseconds. */
export interface LinkPlan {
  /** The server as errors call it until a destination is known. */
  readonly attempt: Attempt;
  /** Asked before each connection. */
  destination(): Destination | Promise<Destination>;
  /** A replica is no use: its master is asked for again. */
  readonly mustBeMaster: boolean;
  readonly authentication: AuthenticationPlan;
  readonly db: number;
  /** For a command, queueing included. */
  readonly deadline: number;
  /** In place of `deadline` until the first `ready`. */
  readonly connectDeadline: number;
  readonly idle: Pick<IdlePlan, "timeout" | "waitUntil">;
}

/** A server that is spoken to. */
export interface Link extends Sender {
  /** Milliseconds for which a command may wait for this server; 0 when it is known to be away. */
  patience(): number;
  deadline(): number;
  isUp(): boolean;
  ready(): Promise<void>;
  close(): Promise<void>;
  state(): ConnectionState;
}

/** Silence after which what happened to the socket meanwhile is read before it is used. */
const QUIET = 1000;
/** Silence after which a server must answer a PING first: firewalls forget idle connections without a word. */
const SILENT = 10_000;
/** A connection younger than this is not left because its server is a replica. */
const YOUNG = 1000;

/** Whether ioredis knows for certain that a command never left. */
const NEVER_LEFT = /Stream isn't writeable|Connection is already/;

function clientOptions(plan: LinkPlan, Connector: NonNullable<RedisOptions["Connector"]>) {
  return {
    Connector,
    lazyConnect: true,
    replyMapping: "legacy",
    db: plan.db,
    connectionName: "express-redis-kit",
    // At most once: nothing waits in a queue of ioredis's, nothing is sent again after a loss.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // So that a server which is back is found within half a second.
    retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times - 1, 3), 400),
  } as const;
}

class RedisLink implements Link, Fate {
  readonly #plan: LinkPlan;
  readonly #redis: Redis;
  readonly #availability: Availability;
  readonly #breaker: Breaker;
  readonly #deadlines: Deadlines;
  readonly #watchdog: Watchdog;
  readonly #idle: Idle;
  readonly #authentication: Authentication;
  #attempt: Attempt;
  #phase: Phase = "opening";
  #inFlight = 0;
  #isCorked = false;
  #isLeaving = false;
  #lastUsed = Date.now();
  #readySince = 0;
  /** Under way while nobody knows whether the socket outlived a silence. */
  #proof: Promise<void> | undefined;
  #onDrained = (): void => {};

  constructor(plan: LinkPlan, events: ConnectionEvents) {
    this.#plan = plan;
    this.#attempt = plan.attempt;
    this.#availability = new Availability({ ...plan, attempt: () => this.#attempt }, events);
    this.#deadlines = createDeadlines(plan.deadline);
    this.#watchdog = createWatchdog(plan.deadline);
    this.#breaker = createBreaker({
      probe: () => this.#probe(),
      onOpen: (problem) => this.#availability.shut(problem),
      onClose: () => {
        if (this.#isConnected()) this.#availability.up();
      },
    });
    this.#idle = createIdle({
      ...plan.idle,
      isBusy: () => this.#inFlight > 0,
      giveUp: () => this.#giveUp(),
    });
    this.#authentication = createAuthentication(
      plan.authentication,
      () => (this.isUp() ? this : undefined),
      (error) => this.#availability.report(error),
    );
    this.#redis = new Redis(
      clientOptions(
        plan,
        connectorOf({
          open: () => this.#open(),
          onFailure: (error) => this.#availability.fail(error),
          accepts: ({ role }) => !plan.mustBeMaster || role === undefined || role === "master",
        }),
      ) as RedisOptions & { replyMapping: "legacy" },
    );
    this.#listen();
    this.#connect();
  }

  async #open(): Promise<Socket> {
    this.#phase = "opening";
    const { address, socket } = await this.#plan.destination();
    this.#attempt = socket.attempt;
    const auth = await this.#authentication.current();
    if (this.#redis.condition && auth !== undefined) this.#redis.condition.auth = auth;
    return openSocket(address, socket);
  }

  #connect(): void {
    this.#redis.connect().catch(() => {}); // Told by the connector and the "error" event.
  }

  #listen(): void {
    const redis = this.#redis;
    redis.on("connect", () => {
      this.#phase = "greeting";
      const patience = this.#availability.everReady()
        ? Math.max(500, this.#plan.deadline * 2)
        : this.#plan.connectDeadline * 0.8;
      this.#watchdog.expectGreeting(redis.stream as Socket, patience);
    });
    redis.on("error", (error: Error) => this.#onError(error));
    redis.on("ready", () => {
      this.#phase = "established";
      this.#watchdog.calm();
      this.#readySince = performance.now();
      this.#lastUsed = Date.now();
      this.#breaker.reset();
      this.#availability.up();
    });
    redis.on("close", () => this.#onClose());
  }

  #onError(error: Error): void {
    const phase = this.#availability.everReady() ? "established" : "greeting";
    const cause = diagnose(error, this.#attempt, phase);
    if (cause.code === "REDIS_AUTH_FAILED") this.#authentication.rejected();
    this.#phase = "opening"; // What follows, the close, has its reason now.
    this.#availability.fail(cause);
  }

  #onClose(): void {
    this.#watchdog.calm();
    this.#isLeaving = false;
    if (this.#availability.isIdle()) return;
    if (this.#phase === "greeting") this.#onError(new Error("Connection is closed."));
    this.#availability.down();
  }

  /** Whether ioredis would write a command now. */
  #isConnected(): boolean {
    return this.#redis.status === "ready" && this.#redis.stream.writable && !this.#isLeaving;
  }

  isUp(): boolean {
    return this.#availability.isUp() && this.#isConnected();
  }

  send(command: Command, options: SendOptions = {}): Promise<unknown> {
    // The second half of a step that began before the close.
    const isLast = this.#availability.isClosed() && options.within !== undefined;
    if (isLast && this.#isConnected()) {
      return this.#transmit(command, options, options.within, true);
    }
    if (this.isUp() && this.#proof === undefined && !this.#mustProve()) {
      return this.#transmit(command, options, options.within, false);
    }
    return this.#sendLater(command, options, performance.now(), false);
  }

  async #sendLater(
    command: Command,
    options: SendOptions,
    since: number,
    isSecond: boolean,
  ): Promise<unknown> {
    if (this.#availability.isIdle()) this.#reopen();
    const budget = options.within ?? this.#availability.budget();
    const left = (): number => budget - (performance.now() - since);
    await this.#proof;
    do {
      // eslint-disable-next-line no-await-in-loop -- until there is a socket to write to
      await this.#availability.untilUp(left());
      if (this.#isConnected()) {
        return this.#transmit(command, options, Math.max(1, left()), isSecond);
      }
      // eslint-disable-next-line no-await-in-loop -- ioredis tells of a loss in the next turn
      await nextTurn();
    } while (left() > 0);
    throw this.#availability.verdict();
  }

  #transmit(
    command: Command,
    options: SendOptions,
    within: number | undefined,
    isSecond: boolean,
  ): Promise<unknown> {
    const deadline = within ?? this.#plan.deadline;
    const wire = new WireCommand(command, { ...options, deadline, isSecond }, this);
    this.#cork();
    this.#inFlight += 1;
    this.#redis.sendCommand(wire as never);
    (within === undefined ? this.#deadlines : createDeadlines(within)).add(wire);
    return wire.promise;
  }

  /** Commands of one tick leave in one write: held back until the sockets have been polled. */
  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    const { stream } = this.#redis;
    stream.cork();
    setImmediate(() => {
      this.#isCorked = false;
      stream.uncork();
      this.#lastUsed = Date.now();
      this.#idle.touch();
    });
  }

  /** Whether the socket was silent for so long that it may be dead; if so, looks. */
  #mustProve(): boolean {
    if (this.#inFlight > 0 || this.#isCorked) return false;
    const silence = Date.now() - this.#lastUsed;
    if (silence < QUIET) return false;
    this.#proof = this.#prove(silence).finally(() => (this.#proof = undefined));
    return true;
  }

  async #prove(silence: number): Promise<void> {
    // What came while nobody listened, such as the peer's FIN, is read in the loop's next turn.
    await nextTurn();
    await nextTurn();
    if (silence < SILENT || !this.#isConnected()) return;
    const { stream } = this.#redis;
    try {
      await this.#transmit(["PING"], {}, this.#plan.deadline / 2, true);
    } catch {
      stream.destroy(); // The loss is told by the "close" event.
      await nextTurn();
    }
  }

  async #probe(): Promise<unknown> {
    if (this.#isConnected()) return this.#transmit(["PING"], {}, undefined, true);
    throw this.#availability.verdict(); // The next "ready" is the proof.
  }

  answered(): void {
    this.#breaker.success();
  }

  settled(): void {
    this.#inFlight -= 1;
    this.#deadlines.sweep();
    if (this.#inFlight > 0) return;
    if (this.#isLeaving) this.#redis.disconnect(true);
    this.#onDrained();
  }

  explain(wire: WireCommand, error: Error | undefined): KitError {
    const { what } = wire;
    if (error === undefined) return this.#late(wire);
    if (error.name === "ReplyError") return commandFailed(what, error);
    return new KitError("REDIS_UNAVAILABLE", {
      message: `The connection to ${this.#attempt.target} was lost during ${what}.`,
      fix: "The kit reconnects by itself; what may have run is not sent again.",
      status: 503,
      retryAfter: 1,
      outcome: NEVER_LEFT.test(error.message) ? "notSent" : "maybeExecuted",
    });
  }

  resend(wire: WireCommand, error: Error): Promise<unknown> | undefined {
    const isReplica = error.name === "ReplyError" && error.message.startsWith("READONLY");
    if (isReplica && !this.#leave()) return undefined;
    if (!isReplica && !NEVER_LEFT.test(error.message)) return undefined;
    const within = wire.options.deadline;
    return this.#sendLater(wire.command, { ...wire.options, within }, wire.sentAt, true);
  }

  #late(wire: WireCommand): KitError {
    this.#watchdog.suspect(this.#redis.stream as Socket);
    const ms = wire.options.deadline;
    this.#breaker.failure(
      unavailable(this.#attempt, `it gave no answer within ${Math.round(ms)} ms`),
    );
    return timedOut(wire.what, ms);
  }

  /** After a failover this server is a replica: once the answers that it owes are there, its successor is sought. */
  #leave(): boolean {
    if (performance.now() - this.#readySince < YOUNG) return false;
    this.#isLeaving = true;
    this.#availability.down();
    return true;
  }

  #giveUp(): void {
    this.#availability.idle();
    this.#redis.disconnect();
  }

  #reopen(): void {
    this.#availability.wake();
    if (this.#redis.status === "end") this.#connect();
    else this.#redis.once("end", () => this.#connect());
  }

  patience(): number {
    return this.#availability.patience();
  }

  deadline(): number {
    return this.#availability.budget();
  }

  ready(): Promise<void> {
    if (this.#availability.isIdle()) this.#reopen();
    return this.#availability.untilUp();
  }

  state(): ConnectionState {
    return this.#availability.state();
  }

  async close(): Promise<void> {
    if (this.#availability.isClosed()) return;
    const isConnected = this.#isConnected();
    this.#availability.close();
    this.#breaker.stop();
    this.#authentication.stop();
    if (isConnected) {
      while (this.#inFlight > 0) {
        // eslint-disable-next-line no-await-in-loop -- an answer may lead to one more command
        await new Promise<void>((resolve) => (this.#onDrained = resolve));
        // eslint-disable-next-line no-await-in-loop
        await nextTurn();
      }
      await withDeadline(this.#redis.quit(), this.#plan.deadline, "QUIT").catch(() => {});
    }
    this.#idle.stop();
    this.#watchdog.calm();
    this.#redis.disconnect();
  }
}

/** Opens a link; it connects, and reconnects, by itself. */
export function openLink(plan: LinkPlan, events: ConnectionEvents): Link {
  return new RedisLink(plan, events);
}
