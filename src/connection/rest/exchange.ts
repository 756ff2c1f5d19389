/** One request to `/pipeline`: from its commands to what becomes of each of them. */
import { VERSION } from "../../version.ts";
import type { KitError } from "../../errors.ts";
import { type Attempt, kitClosed } from "../diagnosis.ts";
import { refused, withoutArguments } from "../refusal.ts";
import { parseAnswer } from "./answer.ts";
import { badStatus, lost, notConnected, notUpstash, tokenRejected } from "./failures.ts";
import type { PendingCommand } from "./pending.ts";
import { type Origin, type Outcome, post } from "./post.ts";
import type { Sockets } from "./sockets.ts";
import type { SyncToken } from "./sync-token.ts";
import type { Tokens } from "./token.ts";

/** What the requests of one channel share. */
export interface Hub {
  readonly attempt: Attempt;
  readonly origin: Origin;
  readonly sockets: Sockets;
  readonly syncToken: SyncToken;
  readonly tokens: Tokens;
  /** These commands did not run, and may be sent again. */
  again(commands: readonly PendingCommand[]): void;
  /** The database answered. */
  answered(): void;
  /** A request failed: it counts against the database. */
  failed(reason: string): void;
  /** Commands that are sent now would fail too. */
  away(why: KitError): void;
}

type Answered = Extract<Outcome, { kind: "answered" }>;

function headersOf(token: string, syncToken: string | undefined): Record<string, string> {
  return {
    Authorization: `Bearer ${token}`,
    "Content-Type": "application/json",
    "Upstash-Encoding": "base64",
    "User-Agent": `express-redis-kit/${VERSION}`,
    ...(syncToken !== undefined && { "upstash-sync-token": syncToken }),
  };
}

/** A request that is under way. */
export class Exchange {
  readonly #hub: Hub;
  readonly #token: string;
  readonly #syncToken: string | undefined;
  readonly #onEnd: () => void;
  readonly #abort: () => void;
  #commands: readonly PendingCommand[];
  #isEnded = false;

  constructor(commands: readonly PendingCommand[], token: string, hub: Hub, onEnd: () => void) {
    this.#commands = commands;
    this.#token = token;
    this.#hub = hub;
    this.#onEnd = onEnd;
    this.#syncToken = hub.syncToken.current();
    for (const command of commands) command.request = this;
    this.#abort = post(hub.sockets, {
      origin: hub.origin,
      headers: headersOf(token, this.#syncToken),
      body: () => this.#body(),
      onOutcome: (outcome) => this.#judge(outcome),
    });
  }

  /** A command whose time was over before there was a socket has been told that it was not sent. */
  #body(): string | undefined {
    this.#commands = this.#commands.filter(({ isSettled }) => !isSettled);
    if (this.#commands.length === 0) return undefined;
    for (const command of this.#commands) command.isSent = true;
    return `[${this.#commands.map(({ json }) => json).join(",")}]`;
  }

  /** One of its commands was settled. When the time of all is over, the request ends. */
  settled(): void {
    if (this.#isEnded || this.#commands.some(({ isSettled }) => !isSettled)) return;
    const last = this.#commands.at(-1)!;
    this.#end();
    this.#hub.failed(`it gave no answer within ${Math.round(last.deadline)} ms`);
  }

  /** Nobody waits for it any longer. */
  abandon(): void {
    if (this.#isEnded) return;
    this.#end();
    const { attempt } = this.#hub;
    for (const command of this.#commands) {
      const cut = new Error("closed by close()");
      command.reject(command.isSent ? lost(cut, attempt, true) : kitClosed());
    }
  }

  #end(): void {
    this.#isEnded = true;
    this.#abort();
    this.#onEnd();
  }

  #judge(outcome: Outcome): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (outcome.kind === "answered") this.#read(outcome);
    else if (outcome.kind === "not-connected") this.#notConnected(outcome.error);
    else this.#lost(outcome.error, outcome.isSent);
    this.#onEnd();
  }

  #read(answered: Answered): void {
    const { attempt, syncToken } = this.#hub;
    const { status, headers, text } = answered;
    if (status === 401 || status === 403) return this.#rejected(status);
    if (status !== 200 && status !== 400) {
      return this.#refuse(badStatus(attempt, status), `status ${status}`);
    }
    const answer = parseAnswer(text, this.#commands);
    if ("malformed" in answer) {
      return this.#refuse(
        notUpstash(attempt, answer.malformed),
        "it does not answer as Upstash does",
      );
    }
    this.#hub.tokens.accepted(this.#token);
    const received = headers["upstash-sync-token"];
    const isRead = this.#commands.every((command) => command.isRead);
    syncToken.take(String(received ?? ""), this.#syncToken, isRead);
    this.#hub.answered();
    if ("words" in answer) {
      const words = this.#clean(answer.words, this.#commands);
      for (const command of this.#commands) command.reject(refused(command.what, words));
      return;
    }
    answer.results.forEach((result, index) => {
      const command = this.#commands[index]!;
      if ("reply" in result) return command.resolve(result.reply);
      command.reject(refused(command.what, this.#clean(result.words, [command])));
    });
  }

  /** What the server said, without what it was told. */
  #clean(words: string, commands: readonly PendingCommand[]): string {
    const parts = commands.flatMap(({ command }) => command.slice(1));
    return withoutArguments(words, [...parts, this.#token]);
  }

  #rejected(status: number): void {
    const { attempt, tokens } = this.#hub;
    const why = tokenRejected(attempt, `status ${status}`);
    if (tokens.rejected(this.#token, why)) return void this.#again(why);
    this.#reject(why);
    this.#hub.away(why);
  }

  #notConnected(error: Error): void {
    const why = notConnected(error, this.#hub.attempt);
    if (!this.#again(why)) this.#hub.away(why);
  }

  #lost(error: Error, isSent: boolean): void {
    const why = lost(error, this.#hub.attempt, isSent);
    if (why.code.startsWith("TLS_")) {
      this.#reject(why);
      this.#hub.away(why);
    } else if (isSent) {
      this.#refuse(why, "the connection was lost");
    } else if (!this.#again(why)) {
      this.#hub.failed("the connection was lost");
    }
  }

  #refuse(why: KitError, reason: string): void {
    this.#reject(why);
    this.#hub.failed(reason);
  }

  #reject(why: KitError): void {
    for (const command of this.#commands) command.reject(why);
  }

  /** Nothing of it ran: once more for those that had one try; answers whether there was one. */
  #again(why: KitError): boolean {
    const left = this.#commands.filter(({ isSettled }) => !isSettled);
    const [second, first] = [left.filter((it) => it.isSecond), left.filter((it) => !it.isSecond)];
    for (const command of second) command.reject(why);
    for (const command of first) {
      command.isSecond = true;
      command.isSent = false;
      command.request = undefined;
    }
    if (first.length > 0) this.#hub.again(first);
    return second.length === 0;
  }
}
