/** Where a response is kept. */

/** One variant of one resource. */
export interface Place {
  /** The template that it is counted under. */
  readonly template: string;
  /** The segments of the resource's key. */
  readonly path: readonly string[];
  /** The keys of the versions that an entry is made under: the resource's own first, then its tags'. */
  readonly versionKeys: readonly string[];
  /** Names this variant: of path, host, query, header fields, and of who shares it. */
  readonly hash: string;
  /** The variant's key, for when the resource's own holds another variant, or none. */
  readonly variantKey: string;
  /** It is shared by requests of which nobody said whose they are. */
  readonly isAnonymous: boolean;
  /**
   * Most resources have one variant; its entry stands in the resource's own key, behind the version.
   * Where many are to be expected, that key holds the version alone, so that no lookup reads another's
   * body along.
   */
  readonly isPlain: boolean;
  /** The hash of the variant that these request fields select; where a response's own Vary counts. */
  readonly select?: (vary: readonly string[]) => string;
}
