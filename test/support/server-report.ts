/** What a scripted server saw. */
export type ServerReport = {
  /** SMTP connections, or HTTP requests. */
  attempts: number;
  /** SMTP commands, or HTTP requests. */
  requests: number;
  /** Emails that arrived to their last byte, also those that it then refused or dropped. */
  handOvers: number;
  /** `id:generation` of each copy that it kept. */
  copies: string[];
  /** The recipients of each copy, over SMTP. */
  got?: string[];
};
