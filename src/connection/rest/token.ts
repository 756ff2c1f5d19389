/** The bearer token: fixed, or asked of the application's `credentials` function. */
import type { Credentials, CredentialsReason } from "../../config/credentials.ts";
import type { KitError } from "../../errors.ts";
import type { CredentialSource } from "../credentials.ts";
import type { Attempt } from "../diagnosis.ts";
import { tokenRejected } from "./failures.ts";

/** Milliseconds between two tries after one that failed; doubled each time. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** The token of one channel. */
export interface Tokens {
  /**
   * What the next request carries; a promise where it is being asked for. All who ask meanwhile share one
   * answer. After a failure or a rejection nobody is asked, and nothing sent, before a pause is over.
   *
   * @throws KitError `CREDENTIALS_UNAVAILABLE`, `REDIS_AUTH_FAILED`
   */
  current(): string | Promise<string>;
  /** The server took it. */
  accepted(token: string): void;
  /** The server rejected it; answers whether another is to be had at once. */
  rejected(token: string, why: KitError): boolean;
  stop(): void;
}

/** Who gives the token, and who is told of a renewal that failed. */
export interface TokenPlan {
  readonly attempt: Attempt;
  readonly token: string | undefined;
  /** Asked in place of `token`. */
  readonly source: CredentialSource | undefined;
  report(error: KitError): void;
}

/** What a header can carry: RFC 9110, section 5.5. */
const HEADER_TEXT = /^[\x21-\x7e]+$/;

class RestTokens implements Tokens {
  readonly #plan: TokenPlan;
  readonly #endRenewals: (() => void) | undefined;
  #token: string | undefined;
  #asking: Promise<string> | undefined;
  #reason: CredentialsReason = "connect";
  /** The token took the place of a rejected one, and was not accepted so far. */
  #isSuspect = false;
  #problem: KitError | undefined;
  #notBefore = 0;
  #pause = FIRST_PAUSE;
  #timer: NodeJS.Timeout | undefined;

  constructor(plan: TokenPlan) {
    this.#plan = plan;
    this.#endRenewals = plan.source?.onRenewal(() => this.#renew());
  }

  current(): string | Promise<string> {
    if (this.#token !== undefined) return this.#token;
    if (this.#asking) return this.#asking;
    if (this.#problem && performance.now() < this.#notBefore) return Promise.reject(this.#problem);
    const { source, token = "" } = this.#plan;
    return source ? this.#ask(source) : (this.#token = this.#check(token));
  }

  #ask(source: CredentialSource): Promise<string> {
    this.#asking = source
      .ask(this.#reason)
      .then((given) => (this.#token = this.#secretOf(given)))
      .catch((error: KitError) => {
        this.#wait(error);
        throw error;
      })
      .finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  #check(token: string): string {
    if (HEADER_TEXT.test(token)) return token;
    throw tokenRejected(this.#plan.attempt, "it is not one word of ASCII");
  }

  /** A password is taken for the token: to REST there is only one secret. */
  #secretOf(given: Credentials): string {
    return this.#check(given.token ?? given.password);
  }

  #nextPause(): number {
    const pause = this.#pause;
    this.#pause = Math.min(pause * 2, LONGEST_PAUSE);
    return pause;
  }

  #wait(problem: KitError): void {
    this.#problem = problem;
    this.#notBefore = performance.now() + this.#nextPause();
  }

  /** In the background: the token at hand holds until the server rejects it. */
  #renew(): void {
    clearTimeout(this.#timer);
    this.#plan
      .source!.ask("renewal")
      .then((given) => {
        this.#token = this.#secretOf(given);
        this.#isSuspect = false;
        this.#pause = FIRST_PAUSE;
        return undefined;
      })
      .catch((error: KitError) => {
        this.#plan.report(error);
        this.#timer = setTimeout(() => this.#renew(), this.#nextPause()).unref();
      });
  }

  accepted(token: string): void {
    if (token !== this.#token) return;
    this.#isSuspect = false;
    this.#pause = FIRST_PAUSE;
  }

  rejected(token: string, why: KitError): boolean {
    if (token !== this.#token) return true; // Another is there, or being asked for, already.
    this.#token = undefined;
    this.#reason = "rejected";
    if (this.#plan.source && !this.#isSuspect) {
      this.#isSuspect = true;
      return true;
    }
    this.#wait(why);
    return false;
  }

  stop(): void {
    this.#endRenewals?.();
    clearTimeout(this.#timer);
  }
}

/** Makes it. */
export function createTokens(plan: TokenPlan): Tokens {
  return new RestTokens(plan);
}
