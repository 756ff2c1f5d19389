/** Signs requests in and out: a new id at every sign-in, and the old one's end. */
import type { IncomingMessage } from "node:http";
import { KitError } from "../errors.ts";
import { isHeaderSent } from "../held-response.ts";
import {
  guardUnreachable,
  isOfSignIn,
  sessionEnded,
  signInTooLate,
  userNotFound,
} from "./failures.ts";
import type { Ledger, LedgerOptions, Stored } from "./ledger.ts";
import { factsOf, type LiveSession, type SessionRequest } from "./live-session.ts";
import { toJson } from "./records/record.ts";
import { findState } from "./state.ts";
import type { Generate, Writer } from "./writer.ts";

/** Of one store. */
export interface SignIn {
  /**
   * Gives the request a new session that is signed in as `user`, and ends the user's other one.
   *
   * @param keep the old session's data that goes along
   * @throws KitError `GUARD_UNREACHABLE`, `SESSION_LIMIT`; the request has its old session again then
   */
  signIn(request: IncomingMessage, user: string, keep: readonly string[]): Promise<void>;
  /** Destroys the request's session and gives it an empty one. */
  signOut(request: IncomingMessage): Promise<void>;
  /**
   * Gives the request an empty session with a new id, which stays the user's until the next save.
   *
   * @throws KitError `SESSION_ENDED`
   */
  regenerate(request: IncomingMessage): Promise<void>;
}

/** The old session's data that goes along. */
export function keepData(
  old: LiveSession | null | undefined,
  keep: readonly string[],
): Record<string, unknown> {
  const data: Record<string, unknown> = {};
  for (const name of keep) {
    const isData = old?.propertyIsEnumerable(name) === true && name !== "cookie";
    if (isData) data[name] = old[name];
  }
  return data;
}

/** Where nothing came of it, the request goes on as it was. */
function restore(request: SessionRequest, old: SessionRequest["session"], oldId: string): void {
  request.session = old;
  request.sessionID = oldId;
}

async function renew(
  ledger: Ledger,
  request: SessionRequest,
  oldId: string,
  stored: Stored,
): Promise<void> {
  const { user } = stored;
  const session = request.session!;
  if (user === undefined) return ledger.destroyKnown(oldId, stored);
  const renamed = await ledger.rename(oldId, { ...stored, user }, request.sessionID);
  if (renamed === undefined) throw sessionEnded();
  Object.assign(factsOf(session), { stored: renamed, isRenamed: true });
}

/** Makes the {@link SignIn} of one store. */
export function createSignIn(
  ledger: Ledger,
  writer: Writer,
  options: LedgerOptions,
  generate: Generate,
): SignIn {
  const start = async (request: SessionRequest, user: string, oldId: string): Promise<void> => {
    const session = request.session!;
    const data = toJson(session);
    if (options.userOf(data) !== user) throw userNotFound();
    const facts = factsOf(session);
    facts.stored = await ledger.create(session.id, data, writer.clientOf(request));
    facts.isWritten = true;
    await writer.admit(user, session.id, oldId);
  };
  return {
    signIn: async (request, user, keep) => {
      const carrier = request as SessionRequest;
      const state = findState(request);
      if (state && isHeaderSent(state.response)) throw signInTooLate();
      const { session: old, sessionID: oldId } = carrier;
      const before = old ? factsOf(old).stored : undefined;
      generate(request);
      Object.assign(carrier.session!, keepData(old, keep), { userId: user });
      try {
        await start(carrier, user, oldId);
      } catch (error) {
        restore(carrier, old, oldId);
        throw isOfSignIn(error) ? error : guardUnreachable(error);
      }
      if (before === undefined) return;
      void ledger.records.discard(oldId, before.mark);
      if (before.user !== undefined && before.user !== user) await ledger.leave(before.user, oldId);
    },
    signOut: async (request) => {
      const { session, sessionID } = request as SessionRequest;
      const stored = session ? factsOf(session).stored : undefined;
      if (stored) await ledger.destroyKnown(sessionID, stored);
      generate(request);
    },
    regenerate: async (request) => {
      const carrier = request as SessionRequest;
      const { session: old, sessionID: oldId } = carrier;
      const stored = old ? factsOf(old).stored : undefined;
      generate(request);
      if (stored === undefined) return;
      try {
        await renew(ledger, carrier, oldId, stored);
      } catch (error) {
        const isEnded = error instanceof KitError && error.code === "SESSION_ENDED";
        if (!isEnded) restore(carrier, old, oldId);
        throw error;
      }
    },
  };
}
