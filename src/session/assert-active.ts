/** `assertActive()`: for requests that take long enough for their session to be ended meanwhile. */
import type { IncomingMessage } from "node:http";
import { requireState } from "./state.ts";

/**
 * Asks Redis again whether the request's session still holds. For a handler that takes long, before
 * it does what only a signed-in user may do, and for streams, now and then.
 *
 * @param request a request that went through `session()`
 * @throws KitError `SESSION_NOT_MOUNTED`; `NOT_SIGNED_IN` (401) for an anonymous request;
 * `SESSION_ENDED` (401) for one whose session was ended meanwhile; what the connection throws (503)
 * @example
 * ```ts
 * import express from 'express'
 * import { assertActive, session } from 'express-redis-kit'
 *
 * declare function prepareExport(): Promise<string>
 *
 * const app = express()
 * app.use(session())
 * app.get('/export', async (req, res) => {
 *   const file = await prepareExport()
 *   await assertActive(req)
 *   res.sendFile(file)
 * })
 * ```
 */
export async function assertActive(request: IncomingMessage): Promise<void> {
  await requireState(request, "assertActive()").store.assertActive(request);
}
