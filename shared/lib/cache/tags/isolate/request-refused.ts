/** The index refused a request. It would refuse a repetition, too. */
export class RequestRefused extends Error {
  override readonly name = "RequestRefused";
}
