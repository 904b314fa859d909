/** Text files as vite imports them. */
declare module "*?raw" {
  const text: string;
  export default text;
}
