/**
 * The channel to Upstash over REST: at most once, every command bounded in time, all commands of a tick in
 * one request.
 */
import type { KitError } from "../../errors.ts";
import { type Breaker, createBreaker } from "../breaker.ts";
import type { Channel, Command, Sender, SendOptions } from "../channel.ts";
import type { CredentialSource } from "../credentials.ts";
import { timedOut } from "../deadline.ts";
import { type Attempt, kitClosed, unavailable } from "../diagnosis.ts";
import type { ConnectionEvents, ConnectionState } from "../port.ts";
import type { Script } from "../script.ts";
import { createDeadlines, type Deadlines } from "../tcp/deadlines.ts";
import type { TlsPlan } from "../tcp/socket.ts";
import { Dispatcher } from "./dispatcher.ts";
import { notUpstash } from "./failures.ts";
import { Health } from "./health.ts";
import { type Fate, PendingCommand } from "./pending.ts";
import type { Origin } from "./post.ts";
import { Sockets } from "./sockets.ts";
import { SyncToken } from "./sync-token.ts";
import { createTokens, type Tokens } from "./token.ts";

/** What {@link openRest} needs to know. Times are milliseconds. */
export interface RestPlan {
  /** `https://…`; `http://…` only where the configuration allows this host to be reached without TLS. */
  readonly url: string;
  readonly token: string | undefined;
  /** Asked in place of `token`. */
  readonly credentials: CredentialSource | undefined;
  /** For a command, queueing included. */
  readonly deadline: number;
  /** In place of `deadline` until the first answer. */
  readonly connectDeadline: number;
  /** Undefined for `http:`. */
  readonly tls: TlsPlan | undefined;
  readonly attempt: Attempt;
}

function originOf(url: URL): Origin {
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port) || (url.protocol === "https:" ? 443 : 80),
    authority: url.host,
    path: `${url.pathname.replace(/\/+$/, "")}/pipeline`,
  };
}

function socketsOf(plan: RestPlan, { host, port }: Origin): Sockets {
  return new Sockets(
    { host, port },
    {
      tls: plan.tls,
      family: 0,
      // An attempt ends before those who wait for it do, so that they are told why it failed.
      timeout: Math.ceil(plan.connectDeadline * 0.8),
      attempt: plan.attempt,
    },
  );
}

class RestChannel implements Channel {
  readonly isSharded = false;
  readonly isTextOnly = true;
  readonly push: undefined = undefined;
  readonly #plan: RestPlan;
  readonly #health: Health;
  readonly #breaker: Breaker;
  readonly #tokens: Tokens;
  readonly #sockets: Sockets;
  readonly #dispatcher: Dispatcher;
  readonly #fate: Fate;
  /** Two clocks, for each expires its commands in the order in which they came. */
  readonly #clock: Deadlines;
  readonly #connectClock: Deadlines;
  #unsettled = 0;
  #isClosed = false;
  #knocking: Promise<void> | undefined;
  #onDrained = (): void => {};

  constructor(plan: RestPlan, events: ConnectionEvents) {
    this.#plan = plan;
    const { attempt } = plan;
    const origin = originOf(new URL(plan.url));
    this.#health = new Health(attempt, events);
    this.#clock = createDeadlines(plan.deadline);
    this.#connectClock = createDeadlines(plan.connectDeadline);
    this.#sockets = socketsOf(plan, origin);
    this.#tokens = createTokens({
      attempt,
      token: plan.token,
      source: plan.credentials,
      report: (error) => this.#health.report(error),
    });
    this.#dispatcher = new Dispatcher({
      attempt,
      origin,
      sockets: this.#sockets,
      tokens: this.#tokens,
      syncToken: new SyncToken(),
      refusal: () => this.#refusal(),
      answered: () => this.#answered(),
      failed: (reason) => this.#failed(unavailable(attempt, reason)),
      away: (why) => this.#away(why),
    });
    this.#breaker = createBreaker({
      probe: () => this.#knock(),
      onOpen: (problem) => {
        this.#health.down(problem);
        this.#dispatcher.refuse(problem);
      },
      onClose: () => this.#health.up(),
    });
    this.#fate = {
      late: (pending) => this.#late(pending),
      settled: (pending) => this.#settled(pending),
    };
    this.#knock().catch(() => {}); // Told by the breaker.
  }

  send(command: Command, options: SendOptions = {}): Promise<unknown> {
    const refusal = this.#refusal();
    if (refusal) return Promise.reject(refusal);
    let pending: PendingCommand;
    try {
      pending = this.#begin(command, options);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#dispatcher.add(pending);
    return pending.promise;
  }

  #refusal(): KitError | undefined {
    return this.#isClosed ? kitClosed() : this.#breaker.refusal();
  }

  #begin(command: Command, options: SendOptions): PendingCommand {
    const deadline = options.within ?? this.deadline();
    const shared = this.#health.everReady() ? this.#clock : this.#connectClock;
    const clock = options.within === undefined ? shared : createDeadlines(deadline);
    const pending = new PendingCommand(command, { ...options, deadline, clock }, this.#fate);
    clock.add(pending);
    this.#unsettled += 1;
    return pending;
  }

  #late({ isSent, what, deadline }: PendingCommand): KitError {
    if (isSent) return timedOut(what, deadline);
    const ms = Math.round(deadline);
    return unavailable(this.#plan.attempt, `nothing could be sent within ${ms} ms`);
  }

  #settled(pending: PendingCommand): void {
    this.#unsettled -= 1;
    pending.request?.settled();
    if (this.#unsettled === 0) this.#onDrained();
  }

  #answered(): void {
    this.#breaker.success();
    if (this.#breaker.refusal() === undefined) this.#health.up();
  }

  #failed(problem: KitError): void {
    this.#health.failed(problem);
    if (!this.#isClosed) this.#breaker.failure(problem);
  }

  #away(why: KitError): void {
    this.#health.failed(why);
    if (!this.#isClosed) this.#breaker.trip(why);
  }

  /** Asks whether the database answers, past the queue; all who ask meanwhile share one PING. */
  #knock(): Promise<void> {
    this.#knocking ??= this.#ping().finally(() => (this.#knocking = undefined));
    return this.#knocking;
  }

  async #ping(): Promise<void> {
    const { attempt } = this.#plan;
    const pending = this.#begin(["PING"], {});
    try {
      this.#dispatcher.express(pending).catch((error: KitError) => pending.reject(error));
      const reply = await pending.promise;
      if (reply !== "PONG") throw notUpstash(attempt, "it does not answer in base64", "notSent");
    } catch (error) {
      const { code, outcome } = error as KitError;
      // Whoever refuses a PING answers.
      if (code !== "REDIS_COMMAND_FAILED") {
        const silent = () => unavailable(attempt, "it does not answer a PING", error);
        this.#away(outcome === "notSent" ? (error as KitError) : silent());
        throw error;
      }
    }
    this.#breaker.reset();
    this.#health.up();
  }

  deadline(): number {
    return this.#health.everReady() ? this.#plan.deadline : this.#plan.connectDeadline;
  }

  async masters(): Promise<readonly Sender[]> {
    return [this];
  }

  textOf(script: Script<unknown>): Script<unknown>["keyLocking"] {
    return script.keyLocking;
  }

  async ready(): Promise<void> {
    if (this.#isClosed) throw kitClosed();
    if (!this.#health.isUp()) await this.#knock();
  }

  state(): ConnectionState {
    return this.#health.state();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#breaker.stop();
    this.#tokens.stop();
    if (!this.#health.isUp()) this.#dispatcher.abandon();
    this.#health.close();
    if (this.#unsettled > 0) await new Promise<void>((resolve) => (this.#onDrained = resolve));
    this.#sockets.destroy();
  }
}

/** Opens the channel; it asks at once whether the database answers. */
export function openRest(plan: RestPlan, events: ConnectionEvents): Channel {
  return new RestChannel(plan, events);
}
