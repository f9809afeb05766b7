export function Loading({ what }: { readonly what: string }) {
  return (
    <p class="loading" role="status">
      Asking for {what} …
    </p>
  );
}
