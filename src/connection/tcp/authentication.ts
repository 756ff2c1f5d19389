/** Who a connection is to the server: fixed, or asked of the application's `credentials` function. */
import type { Credentials } from "../../config/credentials.ts";
import type { KitError } from "../../errors.ts";
import type { Sender } from "../channel.ts";
import type { CredentialSource } from "../credentials.ts";

/** Milliseconds between two tries to renew. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** Who to be. */
export interface AuthenticationPlan {
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Asked in place of the two. */
  readonly source: CredentialSource | undefined;
}

/** As ioredis keeps it: a password, or a user's name with it. */
export type Auth = string | [username: string, password: string] | undefined;

/** The authentication of one link. */
export interface Authentication {
  /** What the next connection authenticates with. */
  current(): Auth | Promise<Auth>;
  /** The server has rejected it. */
  rejected(): void;
  stop(): void;
}

/** A provider that names no user means the one in the configuration. */
function authOf(given: Credentials, username: string | undefined): string | [string, string] {
  const secret = given.password ?? given.token;
  const user = given.username ?? username;
  return user === undefined ? secret : [user, secret];
}

/**
 * Makes it, and renews it on the live connection whenever the source calls for it. Redis keeps a
 * connection as it was when AUTH fails, so a failed renewal harms nothing: it is reported, and tried
 * again after a pause that doubles up to 30 s.
 *
 * @param link sends to the live connection; undefined while there is none
 */
export function createAuthentication(
  plan: AuthenticationPlan,
  link: () => Sender | undefined,
  report: (error: KitError) => void,
): Authentication {
  const { source, username, password } = plan;
  if (!source) {
    const fixed = password === undefined ? undefined : authOf({ password }, username);
    return {
      current: () => fixed,
      rejected: () => {},
      stop: () => {},
    };
  }
  let wasRejected = false;
  let pause = FIRST_PAUSE;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  const renew = async (): Promise<void> => {
    clearTimeout(timer);
    const auth = authOf(await source.ask("renewal"), username);
    const parts = typeof auth === "string" ? [auth] : auth;
    await link()?.send(["AUTH", ...parts]);
    pause = FIRST_PAUSE;
  };
  const tryLater = (): void => {
    clearTimeout(timer);
    timer = setTimeout(tryRenew, pause).unref();
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  };
  const tryRenew = (): void => {
    if (!link()) return tryLater(); // Being made, or frozen: perhaps with what it was before.
    renew().catch((error: KitError) => {
      if (isStopped) return;
      report(error);
      tryLater();
    });
  };
  const end = source.onRenewal(tryRenew);
  return {
    current: async () => {
      clearTimeout(timer); // What was still to be renewed is asked for now.
      pause = FIRST_PAUSE;
      const given = await source.ask(wasRejected ? "rejected" : "connect");
      wasRejected = false;
      return authOf(given, username);
    },
    rejected: () => (wasRejected = true),
    stop: () => {
      isStopped = true;
      end();
      clearTimeout(timer);
    },
  };
}
