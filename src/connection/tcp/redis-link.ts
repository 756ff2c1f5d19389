/**
 * One server, spoken to over one socket at a time, which is replaced when it is lost: at most once, every
 * command bounded in time, all commands of a tick in one write.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { KitError } from "../../errors.ts";
import { type Breaker, createBreaker } from "../breaker.ts";
import type { Command, SendOptions } from "../channel.ts";
import { timedOut, withDeadline } from "../deadline.ts";
import * as diagnosis from "../diagnosis.ts";
import type { ConnectionEvents, ConnectionState } from "../port.ts";
import { type Authentication, createAuthentication } from "./authentication.ts";
import { Availability } from "./availability.ts";
import { type Client, createClient } from "./client.ts";
import { type Cork, createCork } from "./cork.ts";
import { createDeadlines, type Deadlines } from "./deadlines.ts";
import { createIdle, type Idle } from "./idle.ts";
import type { Link, LinkPlan } from "./link.ts";
import { createSilence, type Silence } from "./silence.ts";
import { type Hearer, Subscriptions } from "./subscriptions.ts";
import { createWatchdog, type Watchdog } from "./watchdog.ts";
import { type Fate, PushCommand, WireCommand } from "./wire-command.ts";

/** Milliseconds; a younger connection is not left because its server is a replica. */
const YOUNG = 1000;

/** How the PING is sent that proves a silent socket: its failure ends that socket, and says no more. */
const PROOF: SendOptions = { what: "PING" };

class RedisLink implements Link, Fate {
  readonly #plan: LinkPlan;
  readonly #client: Client;
  readonly #availability: Availability;
  readonly #breaker: Breaker;
  readonly #deadlines: Deadlines;
  readonly #watchdog: Watchdog;
  readonly #idle: Idle;
  readonly #silence: Silence;
  readonly #cork: Cork;
  readonly #authentication: Authentication;
  readonly #subscriptions: Subscriptions;
  #inFlight = 0;
  /** The server is a replica: its successor is sought once the answers that it owes are there. */
  #isLeaving = false;
  #isClosing = false;
  #readySince = 0;
  /** When the server last answered a command. */
  #heardAt = 0;
  #onDrained = (): void => {};

  constructor(plan: LinkPlan, events: ConnectionEvents) {
    this.#plan = plan;
    const attempt = () => this.#client.attempt();
    this.#subscriptions = new Subscriptions({
      attempt,
      isUp: () => this.isUp(),
      speaksResp3: () => this.#client.speaksResp3(),
      send: (command, onReply) =>
        this.#write(new PushCommand(command, plan.deadline, this, onReply), this.#deadlines),
    });
    this.#availability = new Availability(
      { ...plan, attempt },
      this.#subscriptions.following(events),
    );
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
      isConnected: () => this.#isConnected(),
      onProblem: (error) => this.#availability.report(diagnosis.waitUntilFailed(error)),
      giveUp: () => {
        this.#availability.idle();
        this.#client.redis.disconnect();
      },
    });
    this.#silence = createSilence({
      isConnected: () => this.#isConnected(),
      ping: () => this.#transmit(["PING"], PROOF, plan.deadline / 2, true),
      giveUp: () => this.#client.redis.stream.destroy(),
    });
    this.#cork = createCork({
      stream: () => this.#client.redis.stream,
      isBusy: () => this.#inFlight > 0,
      onWrite: () => this.#silence.broken(),
    });
    this.#authentication = createAuthentication(
      plan.authentication,
      () => (this.isUp() ? this : undefined),
      (error) => this.#availability.report(diagnosis.diagnoseRenewal(error, attempt())),
    );
    this.#client = createClient(plan, this.#authentication, this.#watchdog, {
      ready: () => this.#onReady(),
      failed: (error) => this.#availability.fail(error),
      closed: () => this.#onClose(),
    });
    this.#client.redis.on("message", (...message) => this.#subscriptions.message(...message));
    this.#connect();
  }

  #connect(): void {
    if (this.#availability.isClosed()) return;
    this.#client.redis.connect().catch(() => {}); // Told by the client's events.
  }

  #onReady(): void {
    this.#readySince = performance.now();
    this.#subscriptions.renewed();
    this.#silence.broken();
    this.#idle.connected();
    this.#breaker.reset();
    this.#availability.up();
  }

  #onClose(): void {
    this.#isLeaving = false;
    if (!this.#availability.isIdle()) this.#availability.down();
  }

  /** Whether a command would be written now, and to the right server. */
  #isConnected(): boolean {
    return this.#client.isWritable() && !this.#isLeaving;
  }

  isUp(): boolean {
    return this.#availability.isUp() && this.#isConnected() && !this.#isClosing;
  }

  send(command: Command, options: SendOptions = {}): Promise<unknown> {
    if (this.#isClosing) {
      if (options.within === undefined) return Promise.reject(diagnosis.kitClosed());
      // The second half of a step that began before the close.
      if (this.#isConnected()) return this.#transmit(command, options, options.within, true);
    }
    const isInUse = this.#inFlight > 0 || this.#cork.isHolding();
    if (this.isUp() && (isInUse || this.#silence.proof() === undefined)) {
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
    let budget = options.within ?? this.#availability.budget();
    const left = (): number => budget - (performance.now() - since);
    const stoodStill = this.isUp() && !isSecond ? ((await this.#silence.proof()) ?? 0) : 0;
    budget += Math.min(stoodStill, performance.now() - since, budget);
    do {
      if (this.#availability.isIdle()) this.#reopen(); // The idle time was over meanwhile.
      // eslint-disable-next-line no-await-in-loop -- until there is a socket to write to
      budget += await this.#availability.untilUp(left());
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
    const wire = new WireCommand(command, options, within ?? this.#plan.deadline, isSecond, this);
    this.#idle.touch();
    return this.#write(wire, within === undefined ? this.#deadlines : createDeadlines(within));
  }

  #write(wire: WireCommand, deadlines: Deadlines): Promise<unknown> {
    this.#cork.hold();
    this.#inFlight += 1;
    this.#client.redis.sendCommand(wire as never);
    deadlines.add(wire);
    return wire.promise;
  }

  subscribe(channel: string, hearer: Hearer): () => void {
    return this.#subscriptions.subscribe(channel, hearer);
  }

  async #probe(): Promise<unknown> {
    if (this.#isConnected()) return this.#transmit(["PING"], {}, undefined, true);
    throw this.#availability.verdict(); // The next "ready" is the proof.
  }

  answered(): void {
    this.#heardAt = performance.now();
    this.#breaker.success();
  }

  settled(): void {
    this.#inFlight -= 1;
    this.#deadlines.sweep();
    if (this.#inFlight > 0) return;
    if (this.#isLeaving) this.#client.redis.disconnect(true);
    this.#onDrained();
  }

  explain(wire: WireCommand, error: Error | undefined): KitError {
    if (error === undefined) return this.#late(wire);
    if (error.name === "ReplyError") return diagnosis.commandFailed(wire.what, error);
    const isListening = this.#subscriptions.isSubscribed();
    return diagnosis.connectionLost(this.#client.attempt(), wire.what, error, isListening);
  }

  resend(wire: WireCommand, error: Error): Promise<unknown> | undefined {
    const isReplica = error.name === "ReplyError" && error.message.startsWith("READONLY");
    if (isReplica) {
      if (performance.now() - this.#readySince < YOUNG) return undefined;
      this.#isLeaving = true;
      this.#availability.down();
    } else if (!diagnosis.neverLeft(error)) return undefined;
    const options = { ...wire.options, within: wire.deadline };
    return this.#sendLater(wire.command, options, wire.sentAt, true);
  }

  #late(wire: WireCommand): KitError {
    if (wire.options === PROOF) return timedOut(wire.what, wire.deadline);
    this.#watchdog.suspect(this.#client.redis.stream);
    const problem = diagnosis.noAnswer(this.#client.attempt(), wire.deadline);
    // A server that was silent all that time is away; one that answers others is slow at this.
    if (this.#heardAt < wire.sentAt) this.#breaker.trip(problem);
    else this.#breaker.failure(problem);
    return timedOut(wire.what, wire.deadline);
  }

  #reopen(): void {
    this.#availability.wake();
    if (this.#client.redis.status === "end") this.#connect();
    else this.#client.redis.once("end", () => this.#connect());
  }

  patience(): number {
    return this.#availability.patience();
  }

  deadline(): number {
    return this.#availability.budget();
  }

  async ready(within?: number): Promise<void> {
    if (this.#availability.isIdle()) this.#reopen();
    await this.#availability.untilUp(within);
  }

  state(): ConnectionState {
    return this.#availability.state();
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#subscriptions.lost();
    await this.#silence.settled();
    const isWritable = this.#client.isWritable();
    this.#availability.close();
    this.#breaker.stop();
    this.#authentication.stop();
    if (isWritable) await this.#sayGoodbye();
    this.#idle.stop();
    this.#watchdog.calm();
    this.#client.redis.disconnect();
  }

  async #sayGoodbye(): Promise<void> {
    while (this.#inFlight > 0) {
      // eslint-disable-next-line no-await-in-loop -- an answer may lead to one more command
      await new Promise<void>((resolve) => (this.#onDrained = resolve));
      // eslint-disable-next-line no-await-in-loop
      await nextTurn();
    }
    await withDeadline(this.#client.redis.quit(), this.#plan.deadline, "QUIT").catch(() => {});
  }
}

/** Opens a link; it connects, and reconnects, by itself. */
export function openLink(plan: LinkPlan, events: ConnectionEvents): Link {
  return new RedisLink(plan, events);
}
