/** The index understood what it was asked, and refuses it. To ask again would be in vain. */
export class RequestRefused extends Error {
  override readonly name = "RequestRefused";
}
