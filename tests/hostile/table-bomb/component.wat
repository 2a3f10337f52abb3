;; Starts small, and once it runs makes its tables grow until nothing is left.
;;
;; Stopped by `memory`, which counts tables too.
(component
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $answer))
  (core module $bomb
    (table $first 0 funcref)
    (table $second 0 externref)
    (func (export "handle") (param i32 i32)
      (loop $more
        (br_if $more (i32.or
          (i32.ne (table.grow $first (ref.null func) (i32.const 100)) (i32.const -1))
          (i32.ne (table.grow $second (ref.null extern) (i32.const 100)) (i32.const -1)))))
      unreachable))
  (core instance $one (instantiate $bomb))
  (func $handle (param "request" (own $request)) (param "response-out" (own $answer))
    (canon lift (core func $one "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))
