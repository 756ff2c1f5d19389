/**
 * Read-your-writes on a database with replicas: each answer carries a token of how far the server that gave
 * it had come, and a request that carries a token is answered by no server that is behind it.
 */

/** The newest token, as far as this process can know. */
export class SyncToken {
  #token: string | undefined;

  /** For the next request. */
  current(): string | undefined {
    return this.#token;
  }

  /**
   * Takes the token of an answer. A late answer to a read must not take the place of a write's token that
   * came meanwhile: it counts only where the request carried the token at hand.
   */
  take(received: string | undefined, carried: string | undefined, isRead: boolean): void {
    if (received === undefined || received === "") return;
    if (!isRead || carried === this.#token) this.#token = received;
  }
}
