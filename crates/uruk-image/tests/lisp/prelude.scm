(define (not condition) (if condition #f #t))

(define (reverse items)
  (let loop ((items items) (result '()))
    (if (null? items) result (loop (cdr items) (cons (car items) result)))))

(define (append first second)
  (let loop ((items (reverse first)) (result second))
    (if (null? items) result (loop (cdr items) (cons (car items) result)))))

(define (map function items)
  (let loop ((items items) (result '()))
    (if (null? items) (reverse result) (loop (cdr items) (cons (function (car items)) result)))))

(define (filter wanted? items)
  (let loop ((items items) (result '()))
    (cond ((null? items) (reverse result))
          ((wanted? (car items)) (loop (cdr items) (cons (car items) result)))
          (else (loop (cdr items) result)))))

(define (fold function result items)
  (let loop ((items items) (result result))
    (if (null? items) result (loop (cdr items) (function result (car items))))))

(define (equal? a b)
  (cond ((eq? a b) #t)
        ((and (pair? a) (pair? b)) (and (equal? (car a) (car b)) (equal? (cdr a) (cdr b))))
        ((and (string? a) (string? b)) (string=? a b))
        (else #f)))

(define (assoc key table)
  (let loop ((table table))
    (cond ((null? table) #f)
          ((equal? key (car (car table))) (car table))
          (else (loop (cdr table))))))

(define (range first last)
  (let loop ((last last) (result '()))
    (if (or (< last first) (< 1000000 last)) result (loop (- last 1) (cons last result)))))

(define (make-counter step)
  (let ((count 0))
    (lambda () (set! count (+ count step)) count)))

(define (compose outer inner) (lambda (x) (outer (inner x))))

(define (adder n) (lambda (x) (+ x n)))

; Makes so many lists that nothing keeps.
(define (work times)
  (let loop ((times times))
    (if (= times 0) 'worked (begin (range 1 50) (loop (- times 1))))))

(define (factorial n) (if (< n 2) 1 (* n (factorial (- n 1)))))

; What has been built when the image is made.
(work 2000)
(define by-five (make-counter 5))
(by-five)
(by-five)
(define squares (map (lambda (x) (* x x)) (range 1 10)))
(define table (list (cons 'one 1) (cons "two" 2) (cons '(3 three) "drei")))
(define greeting (string-append "hello, " "world"))
(define add-seven-twice (compose (adder 7) (adder 7)))
(define circle (list 1 2 3))
(set-cdr! (cdr (cdr circle)) circle)
(define forgotten (list "a string that nobody keeps" (make-counter 1)))
(define forgotten #f)
(define large (map (lambda (x) (list x (factorial 10) "element")) (range 1 2000)))
(range 1 300)
