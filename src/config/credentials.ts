/** The option `credentials`: a function that is asked for user name and password, or for a token. */

/** A Redis user and its password. */
export interface PasswordCredentials {
  /** Default: Redis's own, `default`. */
  username?: string;
  /** As Redis knows it, not percent-encoded. */
  password: string;
  /** Not beside a password. */
  token?: undefined;
}

/** For an `https:` address. */
export interface TokenCredentials {
  /** The bearer token. */
  token: string;
  /** Not beside a token. */
  username?: undefined;
  /** Not beside a token. */
  password?: undefined;
}

/** What {@link CredentialsProvider} answers. */
export type Credentials = PasswordCredentials | TokenCredentials;

/**
 * Why credentials are asked for: a connection is being made, a live one is renewed (after `refresh`, or
 * because the function called for it), or the server has just rejected the last ones.
 */
export type CredentialsReason = "connect" | "renewal" | "rejected";

/** What the function is told. */
export interface CredentialsRequest {
  /** Why it is asked. */
  reason: CredentialsReason;
  /** Keep it and call it when new credentials are there: live connections then ask and authenticate anew. */
  reauthenticate: () => void;
}

/** Gives the credentials that hold now. */
export type CredentialsProvider = (
  request: CredentialsRequest,
) => Credentials | Promise<Credentials>;
