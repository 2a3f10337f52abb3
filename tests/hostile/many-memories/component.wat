;; Takes memory in many small pieces: eight memories and eight tables, each well below the limit, all
;; together above it; and once it runs, tables that grow.
;;
;; Stopped by `memory`, which counts them all.
(component
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $answer))
  (core module $piece
    (memory 64)
    (table $table 10000 funcref)
    (func (export "handle") (param i32 i32)
      (loop $more
        (br_if $more (i32.ne
          (table.grow $table (ref.null func) (i32.const 10000))
          (i32.const -1))))
      unreachable))
  (core instance $one (instantiate $piece))
  (core instance (instantiate $piece))
  (core instance (instantiate $piece))
  (core instance (instantiate $piece))
  (core instance (instantiate $piece))
  (core instance (instantiate $piece))
  (core instance (instantiate $piece))
  (core instance (instantiate $piece))
  (func $handle (param "request" (own $request)) (param "response-out" (own $answer))
    (canon lift (core func $one "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))
