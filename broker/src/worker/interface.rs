//! The macro that writes an interface.

/// Writes an interface once: a trait for the worker to implement, and a stub for the host.
///
/// ```
/// doorward::interface! {
///     /// Counts.
///     pub trait Counter, stub Counters {
///         /// How many of these bytes the input has.
///         fn count(byte: u8) -> u64, idempotent;
///     }
/// }
///
/// struct Plain;
///
/// impl Counter for Plain {
///     fn count(&mut self, call: &mut doorward::worker::Call<'_>, byte: u8) -> u64 {
///         let input = call.input().unwrap_or_default();
///         input.iter().filter(|&&one| one == byte).count() as u64
///     }
/// }
///
/// use doorward::worker::{Local, Terms};
/// let local = Local::new(Box::new(Plain) as Box<dyn Counter>, 4096)?;
/// let mut counter = Counters::new(local);
/// let terms = Terms::within(std::time::Duration::from_secs(1)).input(b"a door");
/// let count = counter.count(terms, b'o')?.verify(|answer| {
///     if answer.result <= 6 { Ok(answer.result) } else { Err("more than there are bytes") }
/// })?;
/// assert_eq!(count, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Arguments and results are owned types with serde's two traits. `idempotent` says that a
/// pool may make the call again with another worker when one ended in the middle of it.
#[macro_export]
macro_rules! interface {
    (
        $(#[$outer:meta])*
        $visible:vis trait $interface:ident, stub $stub:ident {
            $(
                $(#[$inner:meta])*
                fn $method:ident($($argument:ident: $type:ty),* $(,)?)
                    $(-> $result:ty)? $(, $idempotent:ident)?;
            )*
        }
    ) => {
        $(#[$outer])*
        $visible trait $interface {
            $(
                $(#[$inner])*
                fn $method(
                    &mut self,
                    call: &mut $crate::worker::Call<'_>,
                    $($argument: $type),*
                ) $(-> $result)?;
            )*
        }

        $(#[$outer])*
        ///
        /// This is the host's side of it, over any [`Backend`]($crate::worker::Backend).
        #[derive(Debug)]
        $visible struct $stub<B>(B);

        const _: () = {
            #[allow(non_camel_case_types, reason = "named as the methods are")]
            #[derive(Clone, Copy)]
            enum Method {
                $($method),*
            }

            const METHODS: &[Method] = &[$(Method::$method),*];

            impl $crate::worker::Dispatch for dyn $interface + '_ {
                fn dispatch(
                    &mut self,
                    method: u16,
                    arguments: &[u8],
                    call: &mut $crate::worker::Call<'_>,
                    result: &mut [u8],
                ) -> ::core::result::Result<usize, $crate::worker::Refused> {
                    use $crate::worker::Refused;
                    match METHODS.get(usize::from(method)) {
                        None => Err(Refused::Method(method)),
                        $(
                            Some(Method::$method) => {
                                let decoded = $crate::worker::decode(arguments, arguments.len());
                                let ($($argument,)*): ($($type,)*) =
                                    decoded.map_err(Refused::Arguments)?;
                                let returned = self.$method(call, $($argument),*);
                                $crate::worker::encode(&returned, result)
                                    .map_err(Refused::Result)
                            }
                        )*
                    }
                }
            }

            impl<B: $crate::worker::Backend> $stub<B> {
                /// Calls over this backend.
                $visible fn new(backend: B) -> Self {
                    Self(backend)
                }

                $(
                    $(#[$inner])*
                    ///
                    /// # Errors
                    /// [`CallError`]($crate::worker::CallError).
                    $visible fn $method(
                        &mut self,
                        mut terms: $crate::worker::Terms<'_>,
                        $($argument: $type),*
                    ) -> ::core::result::Result<
                        $crate::worker::Tainted<
                            $crate::worker::Answer<$crate::interface!(@result $($result)?)>
                        >,
                        $crate::worker::CallError,
                    > {
                        let request = $crate::worker::Request {
                            method: Method::$method as u16,
                            name: stringify!($method),
                            idempotent: $crate::interface!(@idempotent $($idempotent)?),
                            arguments: &($($argument,)*),
                        };
                        $crate::worker::Backend::call(&mut self.0, &request, &mut terms)
                    }
                )*
            }
        };
    };
    (@result) => { () };
    (@result $result:ty) => { $result };
    (@idempotent) => { false };
    (@idempotent idempotent) => { true };
}
