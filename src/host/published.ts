/** What apps of a node publish, as `doctor` has to know it. */
export interface Published {
  /** An app publishes ports. */
  readonly published: boolean;
  /** Those that it publishes at one address of the host. */
  readonly publishedAt: readonly PublishedAt[];
}

export interface PublishedAt {
  readonly app: string;
  /** As it is written: `192.0.2.1:8080:80` */
  readonly word: string;
  /** IPv6 in its canonical form. */
  readonly address: string;
}
