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
  /** The connection stands: a renewal that was called for while it was being made is made good. */
  connected(): void;
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
      connected: () => {},
      stop: () => {},
    };
  }
  let wasRejected = false;
  let pause = FIRST_PAUSE;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let renewals = 0;
  /** Of {@link renewals}, those before the credentials of the latest connection were asked for. */
  let covered = 0;

  const renew = async (): Promise<void> => {
    clearTimeout(timer);
    const auth = authOf(await source.ask("renewal"), username);
    const parts = typeof auth === "string" ? [auth] : auth;
    await link()?.send(["AUTH", ...parts]);
    pause = FIRST_PAUSE;
  };
  const tryRenew = (): void => {
    renew().catch((error: KitError) => {
      if (isStopped) return;
      clearTimeout(timer);
      report(error);
      timer = setTimeout(tryRenew, pause).unref();
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    });
  };
  const end = source.onRenewal(() => {
    renewals += 1;
    if (link()) tryRenew();
  });
  return {
    current: async () => {
      covered = renewals;
      const given = await source.ask(wasRejected ? "rejected" : "connect");
      wasRejected = false;
      return authOf(given, username);
    },
    rejected: () => (wasRejected = true),
    connected: () => {
      if (covered !== renewals) tryRenew();
    },
    stop: () => {
      isStopped = true;
      end();
      clearTimeout(timer);
    },
  };
}
